"""Apache Airflow provider for WriftAI: publish, wait for, and prune model versions."""

__version__ = "0.1.0"
