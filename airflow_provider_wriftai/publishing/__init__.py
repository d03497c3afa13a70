"""The rules of publishing: exactly one version for an image. Nothing here knows Airflow."""
