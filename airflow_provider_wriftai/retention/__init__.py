"""The rules of pruning: which versions may go, and carrying that out. Nothing here knows Airflow."""
