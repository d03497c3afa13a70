"""WriftAI on localhost: a real server to try DAGs against without an account.

The sandbox serves the versions API in every shape that it has had, keeps its data in SQLite, checks tokens, validates
requests, limits their rate, injects faults on request, and has pages for people. Start it with
``python -m airflow_provider_wriftai.sandbox``. It needs the package's ``sandbox`` extra.
"""
