"""Pages of a list that is sorted by a position, newest first."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from airflow_provider_wriftai.sandbox.validation import Page, RefusedError

T = TypeVar("T")

_LONGEST_POSITION = 18


@dataclass(frozen=True, slots=True)
class PagedList(Generic[T]):
    """A list that can be read in pages.

    Attributes:
        below: Returns up to so many items before a position (None for from the newest on), newest first.
        above: Returns up to so many items just after a position, newest first.
        position: Returns the position of an item.
    """

    below: Callable[[int | None, int], Sequence[T]]
    above: Callable[[int, int], Sequence[T]]
    position: Callable[[T], int]

    def page(self, requested: Page, show: Callable[[T], dict[str, Any]], url: str | None) -> dict[str, Any]:
        """Build a page.

        Args:
            requested: Which page.
            show: Turns an item into JSON.
            url: The URL of the list without its query, if the page is to have the URLs of its neighbors.

        Raises:
            RefusedError: The cursor is invalid.
        """
        direction, position = _read_cursor(requested.cursor)
        if direction == "above" and position is not None:
            items = self.above(position, requested.page_size)
        else:
            items = self.below(position, requested.page_size)
        first, last = (self.position(items[0]), self.position(items[-1])) if items else (0, 0)
        older = bool(items) and bool(self.below(last, 1))
        newer = bool(items) and bool(self.above(first, 1))
        cursors = {
            "next": _cursor("below", last) if older else None,
            "previous": _cursor("above", first) if newer else None,
        }
        body: dict[str, Any] = {"items": [show(item) for item in items]}
        body |= {f"{key}_cursor": cursor for key, cursor in cursors.items()}
        if url is not None:
            for key, cursor in cursors.items():
                query = urlencode({"cursor": cursor, "page_size": requested.page_size})
                body[f"{key}_url"] = f"{url}?{query}" if cursor else None
        return body


def _cursor(direction: str, position: int) -> str:
    return base64.urlsafe_b64encode(f"{direction}:{position}".encode()).decode()


def _read_cursor(cursor: str | None) -> tuple[str, int | None]:
    if cursor is None:
        return "below", None
    try:
        direction, _, position = base64.urlsafe_b64decode(cursor).decode().partition(":")
        if direction in ("above", "below") and len(position) <= _LONGEST_POSITION:
            return direction, int(position)
    except (binascii.Error, ValueError):
        pass
    raise RefusedError(
        [{"loc": ["query", "cursor"], "msg": "Value error, not a cursor of this list", "type": "value_error"}]
    )
