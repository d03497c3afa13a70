"""The WriftAI connection: its form in Airflow's UI, its defaults, and the parser of its fields.

DAG files load this module, so the client is imported where a connection is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypedDict, cast
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from airflow_provider_wriftai.client.access_token import AccessToken
    from airflow_provider_wriftai.client.retrying import RetryPolicy

CONNECTION_TYPE: Final = "wriftai"
CONNECTION_NAME: Final = "WriftAI"
CONNECTION_ID_PARAMETER: Final = "wriftai_conn_id"
DEFAULT_CONNECTION_ID: Final = "wriftai_default"

PUBLIC_API: Final = "https://api.wrift.ai/v1"
_MOST_SECONDS = 7 * 86400
_LONGEST_SHOWN = 15
_LABEL = re.compile(r"[^.:/]+")

UI_FIELD_BEHAVIOUR: Final[Mapping[str, Any]] = {
    "hidden-fields": ["login"],
    "relabeling": {"host": "API URL", "schema": "Scheme", "password": "Access token"},
    "placeholders": {
        "host": "https://api.wrift.ai/v1 (the default)",
        "schema": "https (only if the API URL has no scheme)",
        "port": "only if the API URL has no port",
        "password": "WriftAI access token; leave empty for public models",
    },
}

EXTRA_FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "timeout": {
        "label": "Timeout",
        "description": "Seconds that each step of a request may take. Default: 30.",
        "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
    },
    "retry_attempts": {
        "label": "Attempts",
        "description": "Maximum number of attempts at a request, where retrying is safe. Default: 5.",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
    "retry_seconds": {
        "label": "Retry time",
        "description": "Seconds after which no further attempt at a request begins. Default: 180.",
        "schema": {"type": ["number", "null"], "exclusiveMinimum": 0},
    },
    "ca_bundle": {
        "label": "CA bundle",
        "description": "Path (on the workers) of a file of CA certificates to trust instead of the default ones.",
        "schema": {"type": ["string", "null"]},
    },
    "allow_plain_http": {
        "label": "Allow plain HTTP",
        "description": "Send the access token unencrypted to a host other than the worker itself.",
        "schema": {"type": ["boolean", "null"]},
    },
    "rate_limit_sharing": {
        "label": "Rate limit folder",
        "description": "Folder through which processes share the token's budget, or 'off'. Default: the user's own.",
        "schema": {"type": ["string", "null"]},
    },
}
"""The fields of a connection's extra, in the form that Airflow 3.2 and later expects."""


@dataclass(frozen=True, slots=True, repr=False)
class ConnectionFields:
    """The fields of an Airflow connection that matter here, as they were entered.

    The repr shows none of them: tokens end up in every field by mistake, and tracebacks show local variables.
    """

    connection_id: str = DEFAULT_CONNECTION_ID
    connection_type: str | None = CONNECTION_TYPE
    host: str | None = None
    schema: str | None = None
    port: int | str | None = None
    login: str | None = None
    password: str | None = None
    extra: str | None = None


class ConnectionSettings(TypedDict, total=False):
    """The keywords for ``client.API`` that a connection determines."""

    base_url: str
    access_token: AccessToken
    connection_id: str
    retry: RetryPolicy
    timeout: float
    ca_bundle: str
    allow_plain_http: bool
    rate_limit_sharing: str


class _InvalidFieldError(Exception):
    """A field is invalid. The frames below may hold secrets, so this error never leaves the module."""


def parse_connection(fields: ConnectionFields) -> ConnectionSettings:
    """Read a connection.

    Args:
        fields: The fields of the connection.

    Returns:
        The keywords for ``client.API``.

    Raises:
        ConfigurationError: A field is invalid. Neither the message nor a frame of the traceback shows the token.
    """
    from airflow_provider_wriftai.client.access_token import AccessToken
    from airflow_provider_wriftai.client.errors import ConfigurationError

    try:
        return _parse(fields)
    except (_InvalidFieldError, ConfigurationError) as error:
        # The token may stand in another field, too, by mistake.
        problem = AccessToken(fields.password or "").redact(str(error))
    # Raised here, outside of the block: the frames of the original error hold fields of the connection.
    name = f"Connection {_shown(fields.connection_id)}" if fields.connection_id else "The connection"
    raise ConfigurationError(f"{name} is invalid: {problem}")


def _parse(fields: ConnectionFields) -> ConnectionSettings:
    from airflow_provider_wriftai.client.access_token import AccessToken
    from airflow_provider_wriftai.client.base_url import check_base_url
    from airflow_provider_wriftai.client.retrying import RetryPolicy

    if fields.connection_type != CONNECTION_TYPE:
        if (fields.connection_type or CONNECTION_TYPE).lower() == CONNECTION_TYPE:
            raise _InvalidFieldError(
                f"its type is {_shown(fields.connection_type)}. Set it to {CONNECTION_TYPE!r}, in lower case; in a "
                "connection URI it comes first: wriftai://:TOKEN@."
            )
        raise _InvalidFieldError(
            f"its type is {_shown(fields.connection_type)} instead of {CONNECTION_TYPE!r}. Its password belongs to "
            "another service, so nothing was sent. Set wriftai_conn_id to a connection of the type "
            f"{CONNECTION_TYPE!r}."
        )
    if fields.login and not fields.password:
        raise _InvalidFieldError(
            "it has a login but no password. The access token is the password; in a connection URI it comes after a "
            "colon: wriftai://:TOKEN@host."
        )
    token = AccessToken(fields.password or "")
    token.check()
    settings = _parse_extra(fields.extra)
    policy = {name: settings.pop(f"retry_{name}") for name in ("attempts", "seconds") if f"retry_{name}" in settings}
    url = check_base_url(
        find_base_url(fields), token_given=bool(token), allow_plain_http=settings.get("allow_plain_http", False)
    )
    parsed = ConnectionSettings(
        base_url=url, access_token=token, connection_id=fields.connection_id, retry=RetryPolicy(**policy)
    )
    # The other extra fields have the names of the keywords.
    parsed.update(cast("ConnectionSettings", settings))
    return parsed


def find_base_url(fields: ConnectionFields) -> str:
    """Find the base URL of the API in a connection.

    The host may be a full URL or a name; port, scheme, and the path ``/v1`` are added where it has none. The ``schema``
    field is the scheme; after a host with a scheme, as connection URIs put it, it is the path. Without a host it is the
    public API.
    """
    from airflow_provider_wriftai.domain.dataset_names import API_PATH

    host, given_port = (fields.host or "").strip(), _parse_port(fields.port)
    schema = (fields.schema or "").strip().strip("/")
    if not host:
        if given_port or schema not in ("", "https"):
            raise _InvalidFieldError("it has a port or scheme but no host.")
        return PUBLIC_API
    if "@" in host:
        raise _InvalidFieldError("its host contains a user or token. The access token is its password.")
    if not (fields.password or given_port or schema) and _LABEL.fullmatch(host) and host.lower() != "localhost":
        # Not its text, as below. Nor is it looked up in the network.
        raise _InvalidFieldError(
            "its host is a single word, and it has no token. The access token is the password; in a connection URI it "
            "comes after a colon: wriftai://:TOKEN@. If the word is the name of a host, add the scheme or the port."
        )
    has_scheme = "://" in host
    scheme = schema.lower() if schema.lower() in ("http", "https") else ""
    path = schema if has_scheme and not scheme else ""
    if schema and not scheme and not has_scheme:
        raise _InvalidFieldError(
            "its schema must be the scheme, http or https. In a connection URI, write wriftai://:TOKEN@HOST/https, or "
            "a whole URL as wriftai://https://:TOKEN@HOST/PATH."
        )
    try:
        parts = urlsplit(_bracket(host if has_scheme else f"{scheme or 'https'}://{host}"))
        port = parts.port
    except ValueError:
        # Without the text of the error, which quotes the host: a token may stand in it by mistake.
        raise _InvalidFieldError("its host cannot be parsed: the port or the brackets are malformed.") from None
    if has_scheme and scheme and scheme != parts.scheme:
        raise _InvalidFieldError(
            f"its host has the scheme {_shown(parts.scheme)}, but its schema is {scheme!r}. Keep one of them."
        )
    if port and given_port and port != given_port:
        raise _InvalidFieldError(f"its host has the port {port}, but its port field is {given_port}. Keep one of them.")
    netloc = f"{parts.netloc}:{given_port}" if given_port and not port else parts.netloc
    path = parts.path.rstrip("/") + (f"/{path}" if path else "")
    return urlunsplit((parts.scheme, netloc, path or API_PATH, parts.query, parts.fragment))


def _parse_port(port: object) -> int | None:
    # Some secrets backends keep it as text.
    text = "" if port is None else str(port).strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= len("65535") and int(text) > 0):
        # Without its text, which may be a token in the wrong place.
        raise _InvalidFieldError("its port must be a number from 1 to 65535.")
    return int(text)


def _bracket(url: str) -> str:
    """Put a bare IPv6 address in brackets: Airflow removes them when it parses a connection URI."""
    scheme, separator, host = url.partition("://")
    # It has more than one colon, which a name with a port never has.
    is_bare = host.count(":") > 1 and not host.startswith("[") and "/" not in host
    return f"{scheme}{separator}[{host}]" if is_bare else url


def _shown(value: object) -> str:
    from airflow_provider_wriftai.client.text import truncated_repr

    return truncated_repr(value)


def _shown_unless_secret(value: object) -> str:
    """Return a value to append to a message; nothing if it is so long that it may be a token in the wrong place."""
    return f" {_shown(value)}" if len(str(value)) <= _LONGEST_SHOWN else ""


def _parse_extra(extra: str | None) -> dict[str, Any]:
    if not extra or not extra.strip():
        return {}
    try:
        values = json.loads(extra)
    except (ValueError, RecursionError):
        raise _InvalidFieldError("its extra is not valid JSON.") from None
    if not isinstance(values, dict):
        raise _InvalidFieldError("its extra must be a JSON object.")
    for name in values:
        if name not in EXTRA_FIELDS:
            from difflib import get_close_matches

            nearest = get_close_matches(name, EXTRA_FIELDS, 1)
            hint = f"Did you mean {nearest[0]!r}?" if nearest else f"The known keys are {', '.join(EXTRA_FIELDS)}."
            raise _InvalidFieldError(f"its extra has an unknown key{_shown_unless_secret(name)}. {hint}")
    # A field that was left empty in the form is saved as null or as an empty text.
    return {name: _parse_value(name, value) for name, value in values.items() if value not in (None, "")}


def _parse_value(name: str, value: Any) -> Any:
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
            expected = "a number of seconds above 0 and at most a week"
        case "integer":
            text = str(value).strip()
            if text.isdecimal() and len(text) < 10 and int(text) >= 1 and not isinstance(value, bool):
                return int(text)
            expected = "an integer of at least 1"
        case "boolean":
            text = str(value).strip().lower()
            if text in ("true", "false"):
                return text == "true"
            expected = "true or false"
        case _:
            if isinstance(value, str) and value.strip():
                return value.strip()
            expected = "text"
    got = _shown_unless_secret(value)
    raise _InvalidFieldError(f"{name!r} in its extra must be {expected}{got and f'; got{got}'}.")
