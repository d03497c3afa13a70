"""WriftAI on localhost: a real server to try DAGs against without an account.

It serves the versions API in both generations, keeps its data in SQLite, checks tokens, validates
what is sent, limits requests, and has pages for people. Start it with
``python -m airflow_provider_wriftai.sandbox``; it needs the package's ``sandbox`` extra.
"""
