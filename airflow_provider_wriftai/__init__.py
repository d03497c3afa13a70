"""Apache Airflow provider for WriftAI: publish, await and prune model versions."""

__version__ = "0.1.0"
