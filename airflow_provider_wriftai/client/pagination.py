"""Pages of a listing, and walking over all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, NotRequired, TypedDict, TypeVar

from airflow_provider_wriftai.client.errors import PaginationError

T = TypeVar("T")

LARGEST_PAGE = 50
"""The largest ``page_size`` that the service allows; its default is 25."""

SMALLEST_PAGE = 5
"""The smallest ``page_size`` that the service allows."""


class PaginationOptions(TypedDict):
    """Which page to fetch."""

    cursor: NotRequired[str]
    """Where the page begins: a ``next_cursor`` or ``previous_cursor`` of another page."""
    page_size: NotRequired[int]
    """How many items it has at most: 5 to 50."""


@dataclass(frozen=True)
class PaginatedResponse(Generic[T]):
    """One page.

    Attributes:
        items: What is on the page.
        next_cursor: Where the next page begins; None on the last.
        previous_cursor: Where the previous page begins; None on the first.
        next_url: The same as a URL (generation 1 only).
        previous_url: The same as a URL (generation 1 only).
        served_at: The service's own clock when it answered, if it said so.
    """

    items: list[T]
    next_cursor: str | None
    previous_cursor: str | None
    next_url: str | None = None
    previous_url: str | None = None
    served_at: datetime | None = None


MOST_PAGES = 20_000
"""Pages after which a listing is given up as one that does not end: a million versions."""

MOST_EMPTY_PAGES = 20
"""Pages in a row that may hold nothing before a listing is given up."""


class PageCursor:
    """A walk over pages: none may come twice, and some time they have to end.

    Args:
        page_size: How many items the first page has; the others have as many as the service allows.

    Attributes:
        options: Which page is next.
    """

    def __init__(self, page_size: int = LARGEST_PAGE) -> None:
        self._followed: set[str] = set()
        self._empty = 0
        self.options = PaginationOptions(page_size=page_size)

    def goes_on_after(self, page: PaginatedResponse[T]) -> bool:
        """Tell whether there is another page; ``options`` then say which.

        Raises:
            PaginationError: The listing does not end.
        """
        cursor = page.next_cursor
        if not cursor:
            return False
        if cursor in self._followed:
            raise self._endless(f"led back to a page already read (cursor {cursor[:60]!r})")
        self._empty = 0 if page.items else self._empty + 1
        if self._empty >= MOST_EMPTY_PAGES or len(self._followed) >= MOST_PAGES:
            raise self._endless("went on and on" if page.items else "went on with one empty page after the other")
        self._followed.add(cursor)
        self.options = PaginationOptions(page_size=LARGEST_PAGE, cursor=cursor)
        return True

    def _endless(self, what: str) -> PaginationError:
        return PaginationError(
            f"The listing {what}, after {len(self._followed) + 1} pages, so it would never end. Nothing of it can be "
            "relied on; report this to the service."
        )


def every_page(fetch: Callable[[PaginationOptions], PaginatedResponse[T]]) -> Iterator[PaginatedResponse[T]]:
    """Fetch page after page, largest size allowed.

    Args:
        fetch: Fetches the page that the options say.

    Yields:
        Each page, in the service's order.

    Raises:
        PaginationError: The listing does not end.
    """
    walk = PageCursor()
    while True:
        page = fetch(walk.options)
        yield page
        if not walk.goes_on_after(page):
            return


async def async_every_page(
    fetch: Callable[[PaginationOptions], Awaitable[PaginatedResponse[T]]],
) -> AsyncIterator[PaginatedResponse[T]]:
    """Fetch page after page as :func:`every_page` does, asynchronously."""
    walk = PageCursor()
    while True:
        page = await fetch(walk.options)
        yield page
        if not walk.goes_on_after(page):
            return
