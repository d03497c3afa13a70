"""The base of the modules that group an API's operations."""

from __future__ import annotations

from airflow_provider_wriftai.client.api import API


class Resource:
    """Base of the API's modules.

    Args:
        api: An instance of the API class.
    """

    def __init__(self, api: API) -> None:
        """Initializes the Resource with an API instance."""
        self._api = api
