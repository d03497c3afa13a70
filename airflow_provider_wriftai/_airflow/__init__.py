"""Everything that imports Airflow, except the public classes themselves."""
