"""The WriftAI versions API over httpx. Nothing here knows Airflow."""
