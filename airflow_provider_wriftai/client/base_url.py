"""Validate a base URL before anything is sent to it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import httpx

from airflow_provider_wriftai.client.errors import ConfigurationError
from airflow_provider_wriftai.client.text import truncated_repr


def check_base_url(base_url: str, *, token_given: bool, allow_plain_http: bool) -> str:
    """Check the URL of an API.

    Args:
        base_url: An absolute http or https URL, without user, query or fragment.
        token_given: Whether a token will be sent to it.
        allow_plain_http: Whether that may happen unencrypted over a network.

    Returns:
        The URL without a trailing slash.

    Raises:
        ConfigurationError: The URL is invalid, or the token would be sent unencrypted.
    """
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # Without the text of the error, which quotes the URL: a token may stand in it by mistake.
        raise ConfigurationError("The API's base URL cannot be parsed: its port or brackets are malformed.") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            "The API's base URL must not contain a user or password; the access token is the connection's password."
        )
    shown = truncated_repr(base_url, 200)
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"The API's base URL must look like 'https://api.wrift.ai/v1'; got {shown}.")
    if parts.query or parts.fragment:
        raise ConfigurationError("The API's base URL must not have a query or fragment.")
    if any(c.isspace() or not c.isprintable() for c in base_url) or not base_url.isascii():
        raise ConfigurationError(f"The API's base URL must be plain ASCII without spaces; got {shown}.")
    if parts.scheme == "http" and token_given and not allow_plain_http and not is_loopback(host):
        raise ConfigurationError(
            f"The access token would be sent unencrypted to {_show_host(host)}, which is not this machine. Use "
            'https, or set "allow_plain_http": true in the connection\'s extra if the network in between is trusted.'
        )
    try:
        # As Python's resolver encodes it, which accepts fewer names than a URL may contain.
        httpx.URL(base_url).host.encode("idna")
    except (httpx.InvalidURL, ValueError):
        raise ConfigurationError("The host in the API's base URL is not a valid host name.") from None
    return base_url.rstrip("/")


def _show_host(host: str) -> str:
    try:
        # An address is safe to show. Escaped like other text, "::" would be unreadable.
        return repr(str(ipaddress.ip_address(host)))
    except ValueError:
        return truncated_repr(host)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
