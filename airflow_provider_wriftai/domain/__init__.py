"""Decisions about versions: no Airflow and no HTTP."""
