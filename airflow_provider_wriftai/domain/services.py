"""Whether two base URLs lead to the same service. What is known of the versions of one says nothing about another."""

from __future__ import annotations

from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_same_service(one: str, other: str) -> bool:
    """Return whether two base URLs are equal, except for what URLs leave open: case, a default port, a final dot."""
    return one == other or _normalize(one) == _normalize(other)


def _normalize(base_url: str) -> tuple[object, ...]:
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return (base_url,)
    return parts.scheme, host.removesuffix("."), port or _DEFAULT_PORTS.get(parts.scheme), parts.path.rstrip("/")
