"""The access token, wrapped so that nothing shows it by accident."""

from __future__ import annotations

import logging
from weakref import WeakSet

import httpx

from airflow_provider_wriftai.client.errors import ConfigurationError


class AccessToken:
    """A bearer token that no log, error, or traceback shows.

    Constructing one never raises, so that no frame that holds the text is part of a traceback: see :meth:`check`.

    Args:
        value: The token. White space around it is dropped.
    """

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        self._value = value.strip()
        if self._value:
            _redact_in_http_logs(self)

    def check(self) -> None:
        """Check that the token can be sent.

        Raises:
            ConfigurationError: It contains a character that is not allowed in an HTTP header. The message never shows
                the token.
        """
        if not self._value.isascii() or not self._value.isprintable() or " " in self._value:
            raise ConfigurationError(
                f"The access token ({len(self._value)} characters) contains a space, a control character, or a "
                "non-ASCII character. It was probably copied incompletely, or together with other text."
            )

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "AccessToken(***)" if self else "AccessToken()"

    def __reduce__(self) -> str:
        raise TypeError("An access token must not be stored, so it does not pickle.")

    def redact(self, text: str) -> str:
        """Return a foreign text without the token."""
        return text.replace(self._value, "***") if self else text

    def authorize(self, request: httpx.Request) -> None:
        """Add the token to a request (RFC 6750, section 2.1)."""
        if self:
            request.headers["authorization"] = f"Bearer {self._value}"

    def reveal(self) -> str:
        """Return the token itself."""
        return self._value


_tokens: WeakSet[AccessToken] = WeakSet()


class _RedactionFilter(logging.Filter):
    """Removes tokens from httpcore's debug lines, which show the headers of responses."""

    def filter(self, record: logging.LogRecord) -> bool:
        tokens = list(_tokens)
        message = record.getMessage()
        redacted = message
        for token in tokens:
            redacted = token.redact(redacted)
        if redacted != message:
            record.msg, record.args = redacted, ()
        return True


_REDACTION_FILTER = _RedactionFilter()
_HTTP_LOGGERS = ("httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")


def _redact_in_http_logs(token: AccessToken) -> None:
    _tokens.add(token)
    for name in _HTTP_LOGGERS:
        # A filter is added once, however often this is called.
        logging.getLogger(name).addFilter(_REDACTION_FILTER)
