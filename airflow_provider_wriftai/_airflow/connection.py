"""What a WriftAI connection is: stated once, used by the hook and by the provider info."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

CONNECTION_TYPE: Final = "wriftai"
CONNECTION_NAME: Final = "WriftAI"
CONNECTION_ID_PARAMETER: Final = "wriftai_conn_id"
DEFAULT_CONNECTION_ID: Final = "wriftai_default"

UI_FIELD_BEHAVIOUR: Final[Mapping[str, Any]] = {
    "hidden-fields": ["login"],
    "relabeling": {"host": "API URL", "schema": "Protocol", "password": "Access token"},
    "placeholders": {
        "host": "https://api.wrift.ai/v1 (left empty: this one)",
        "schema": "https (only where the API URL has no protocol)",
        "port": "only where the API URL has none",
        "password": "access token of WriftAI; empty for public models",
    },
}

EXTRA_FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "timeout": {
        "label": "Timeout",
        "description": "Seconds that each step of a request may take; 30 if left empty.",
        "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
    },
    "retry_attempts": {
        "label": "RetryState",
        "description": "How often a request is tried at the most, where that is safe; 5 if left empty.",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
    "retry_seconds": {
        "label": "Time for tries",
        "description": "Seconds after which no further try of a request begins; 180 if left empty.",
        "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
    },
    "ca_bundle": {
        "label": "CA bundle",
        "description": "Path on the workers of a file of CA certificates to trust instead of the usual ones.",
        "schema": {"type": ["string", "null"]},
    },
    "allow_plain_http": {
        "label": "Allow plain HTTP",
        "description": "Send the access token unencrypted to a host that is not the worker itself.",
        "schema": {"type": ["boolean", "null"]},
    },
}
"""The fields of a connection's extra, as Airflow 3.2 and newer want them described."""
