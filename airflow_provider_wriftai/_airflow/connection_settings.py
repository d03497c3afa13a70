"""From the fields of a connection to the settings of the client. Nothing here needs Airflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from airflow_provider_wriftai._airflow.connection import EXTRA_FIELDS
from airflow_provider_wriftai.client.access_token import AccessToken
from airflow_provider_wriftai.client.errors import ConfigurationError
from airflow_provider_wriftai.client.retrying import RetryPolicy

PUBLIC_API = "https://api.wrift.ai/v1"
_BASE_PATH = "/v1"
_MOST_SECONDS = 7 * 86400


@dataclass(frozen=True, slots=True)
class ConnectionFields:
    """The fields of an Airflow connection that mean something here, as they were entered."""

    host: str | None = None
    schema: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = None
    extra: str | None = None

    def __repr__(self) -> str:
        return f"ConnectionFields(host={self.host!r}, schema={self.schema!r}, port={self.port!r})"


def client_settings(fields: ConnectionFields) -> dict[str, Any]:
    """Read a connection.

    Args:
        fields: The connection's fields.

    Returns:
        The keywords for ``client.api.API``.

    Raises:
        ConfigurationError: A field cannot be meant. The text never shows the token.
    """
    if fields.login and not fields.password:
        raise ConfigurationError(
            "The connection has a login but no password. The access token belongs into the password; in a "
            "connection URI it comes after a colon: wriftai://:TOKEN@host."
        )
    settings = _extra_settings(fields.extra)
    tries = {name: settings.pop(f"retry_{name}") for name in ("attempts", "seconds") if f"retry_{name}" in settings}
    return {
        "base_url": base_url(fields),
        "access_token": AccessToken(fields.password or ""),
        "retry": RetryPolicy(**tries),
        **settings,
    }


def base_url(fields: ConnectionFields) -> str:
    """Find the API's base URL in a connection.

    The host may be a full URL or a name; port, protocol and the path ``/v1`` are added where it has none
    (the ``schema`` field is the protocol; after a host with a protocol, as connection URIs put it, the
    path). Without a host it is the public API.

    Raises:
        ConfigurationError: The fields contradict each other.
    """
    host = (fields.host or "").strip()
    schema = (fields.schema or "").strip().strip("/")
    if not host:
        if fields.port or schema not in ("", "https"):
            raise ConfigurationError("The connection has a port or protocol but no host.")
        return PUBLIC_API
    if "@" in host:
        raise ConfigurationError("The connection's host holds a user or token; the access token is its password.")
    has_protocol = "://" in host
    protocol = schema.lower() if schema.lower() in ("http", "https") else ""
    path = schema if has_protocol and not protocol else ""
    if schema and not protocol and not has_protocol:
        raise ConfigurationError(f"The connection's schema is the protocol, http or https; got {schema!r}.")
    try:
        parts = urlsplit(host if has_protocol else f"{protocol or 'https'}://{_bracketed(host)}")
        port = parts.port
    except ValueError:
        # Not its text: that quotes what may be a token in the wrong place.
        raise ConfigurationError("The connection's host cannot be read: its port or brackets are malformed.") from None
    if has_protocol and protocol and protocol != parts.scheme:
        raise ConfigurationError(f"The connection's host says {parts.scheme}, its schema {protocol}; keep one.")
    if port and fields.port and port != fields.port:
        raise ConfigurationError(f"The connection's host says port {port}, its port field {fields.port}; keep one.")
    netloc = f"{parts.netloc}:{fields.port}" if fields.port and not port else parts.netloc
    path = parts.path.rstrip("/") + (f"/{path}" if path else "")
    return urlunsplit((parts.scheme, netloc, path or _BASE_PATH, parts.query, parts.fragment))


def _bracketed(host: str) -> str:
    # A bare IPv6 address has more than one colon, which no name with a port has.
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


def _extra_settings(extra: str | None) -> dict[str, Any]:
    if not extra or not extra.strip():
        return {}
    try:
        values = json.loads(extra)
    except (ValueError, RecursionError):
        raise ConfigurationError("The connection's extra is not JSON.") from None
    if not isinstance(values, dict):
        raise ConfigurationError("The connection's extra must be a JSON object.")
    # Fields that were left empty in the form are saved as null.
    return {name: _checked(name, values[name]) for name in EXTRA_FIELDS if values.get(name) is not None}


def _checked(name: str, value: Any) -> Any:
    schema: Mapping[str, Any] = EXTRA_FIELDS[name]["schema"]
    match schema["type"][0]:
        case "number":
            # Connection URIs carry every value as text.
            try:
                number = float(value) if not isinstance(value, bool) else 0.0
            except (TypeError, ValueError, OverflowError):
                number = 0.0
            if 0 < number <= _MOST_SECONDS:
                return number
            wanted = "a number of seconds above 0 and up to a week"
        case "integer":
            text = str(value).strip()
            if text.isdecimal() and len(text) < 10 and int(text) >= 1 and not isinstance(value, bool):
                return int(text)
            wanted = "a whole number of at least 1"
        case "boolean":
            text = str(value).strip().lower()
            if text in ("true", "false"):
                return text == "true"
            wanted = "true or false"
        case _:
            if isinstance(value, str) and value.strip():
                return value.strip()
            wanted = "a text"
    raise ConfigurationError(f"The connection's extra has {name!r}: {value!r}; expected {wanted}.")
