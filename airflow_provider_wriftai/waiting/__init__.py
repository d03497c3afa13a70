"""The rules of waiting for a version. Nothing here knows Airflow."""
