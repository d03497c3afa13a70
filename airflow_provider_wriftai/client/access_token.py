"""The access token, wrapped so that nothing shows it by accident."""

from __future__ import annotations

import logging
import re
from weakref import WeakSet

import httpx

from airflow_provider_wriftai.client.errors import ConfigurationError

_LONGEST = 8000
"""Characters of a token at most: common servers refuse headers of more than 8 KB."""

_SHORTEST_IN_BODIES = 8
"""Characters of a token that is searched for in responses. A shorter one could be part of the JSON itself."""


class AccessToken:
    """A bearer token that no log, error, or traceback shows.

    Constructing one never raises, so that no frame that holds the text is part of a traceback: see :meth:`check`.

    Args:
        value: The token. White space around it is dropped.
    """

    __slots__ = ("__weakref__", "_in_json", "_value")

    def __init__(self, value: str) -> None:
        self._value = value.strip()
        self._in_json: re.Pattern[bytes] | None = None
        if self._value:
            _redact_in_http_logs(self)

    def check(self) -> None:
        """Check that the token can be sent.

        Raises:
            ConfigurationError: It is too long for an HTTP header, or contains a character that is not allowed there.
                The message never shows the token.
        """
        if not self._value.isascii() or not self._value.isprintable() or " " in self._value:
            raise ConfigurationError(
                f"The access token ({len(self._value)} characters) contains a space, a control character, or a "
                "non-ASCII character. It was probably copied incompletely, or together with other text."
            )
        if len(self._value) > _LONGEST:
            raise ConfigurationError(
                f"The access token has {len(self._value)} characters, which is too long for an HTTP header. It is "
                "probably something else."
            )

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "AccessToken(***)" if self else "AccessToken()"

    def __reduce__(self) -> str:
        raise TypeError("An access token must not be stored, so it does not pickle.")

    def redact(self, text: str) -> str:
        """Replace the token in a text with asterisks."""
        return text.replace(self._value, "***") if self else text

    def redact_body(self, body: bytes) -> bytes:
        """Replace the token in the body of a response with asterisks, also where JSON spells it with escapes.

        Afterwards nothing that is read from the response can contain the token: no result of a task, no error, no log.
        """
        if len(self._value) < _SHORTEST_IN_BODIES:
            return body
        body = body.replace(self._value.encode(), b"***")
        if b"\\" not in body:
            return body
        if self._in_json is None:
            self._in_json = re.compile(b"".join(map(_spellings_in_json, self._value)))
        return self._in_json.sub(b"***", body)

    def authorize(self, request: httpx.Request) -> None:
        """Add the token to a request (RFC 6750, section 2.1)."""
        if self:
            request.headers["authorization"] = f"Bearer {self._value}"

    def reveal(self) -> str:
        """Return the token itself."""
        return self._value


def _spellings_in_json(character: str) -> bytes:
    """Return a pattern for the spellings of a character in a JSON string (RFC 8259, section 7)."""
    backslash = rb"\\?" if character in '"\\/' else b""
    return rb"(?:%b%b|\\u(?i:%04x))" % (backslash, re.escape(character).encode(), ord(character))


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
