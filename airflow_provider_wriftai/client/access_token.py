"""The access token, wrapped so that nothing shows it by accident."""

from __future__ import annotations

import httpx

from airflow_provider_wriftai.client.errors import ConfigurationError


class AccessToken:
    """A bearer token that no log, error or traceback shows.

    Args:
        value: The token; blanks around it are dropped.

    Raises:
        ConfigurationError: It has a character that cannot stand in an HTTP header. The text never shows it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value.strip()
        if not self._value.isascii() or not self._value.isprintable() or " " in self._value:
            raise ConfigurationError(
                f"The access token ({len(self._value)} characters) has a space, control or non-ASCII character "
                "in it; it was probably not copied whole or together with other text."
            )

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "AccessToken(***)" if self else "AccessToken()"

    def __reduce__(self) -> str:
        raise TypeError("An access token is not written anywhere, so it does not pickle.")

    def redact(self, text: str) -> str:
        """Blot the token out of a text that came from outside."""
        return text.replace(self._value, "***") if self else text

    def authorize(self, request: httpx.Request) -> None:
        """Send the token with a request (RFC 6750, section 2.1)."""
        if self:
            request.headers["authorization"] = f"Bearer {self._value}"

    def reveal(self) -> str:
        """The token itself."""
        return self._value
