"""Pages of a listing, and iterating over all of them.

Annotations are evaluated here: see ``common_types``.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NotRequired, TypedDict, TypeVar

from airflow_provider_wriftai.client.errors import PaginationError
from airflow_provider_wriftai.client.text import format_count

T = TypeVar("T")
U = TypeVar("U")

LARGEST_PAGE = 50
"""The largest ``page_size`` that the service allows; its default is 25."""

SMALLEST_PAGE = 5
"""The smallest ``page_size`` that the service allows."""

MOST_PAGES = 20_000
"""Pages after which a listing counts as endless: a million items."""

MOST_EMPTY_PAGES = 20
"""Empty pages in a row after which a listing counts as endless."""


class PaginationOptions(TypedDict):
    """Options that select a page."""

    cursor: NotRequired[str]
    """Where the page begins: the ``next_cursor`` or ``previous_cursor`` of another page."""
    page_size: NotRequired[int]
    """How many items the page has at most: 5 to 50."""


@dataclass(frozen=True)
class PaginatedResponse(Generic[T]):
    """One page of a listing.

    Attributes:
        items: The items of the page.
        next_cursor: Where the next page begins; None on the last page.
        previous_cursor: Where the previous page begins; None on the first page.
        next_url: The next page as a URL (older services only).
        previous_url: The previous page as a URL (older services only).
        served_at: The service's own clock when it answered, if it said so.
    """

    items: list[T]
    next_cursor: str | None
    previous_cursor: str | None
    next_url: str | None = None
    previous_url: str | None = None
    served_at: datetime | None = None

    def map(self, convert: Callable[[T], U]) -> "PaginatedResponse[U]":
        """Return the page with every item converted."""
        return PaginatedResponse(
            items=[convert(item) for item in self.items],
            next_cursor=self.next_cursor,
            previous_cursor=self.previous_cursor,
            next_url=self.next_url,
            previous_url=self.previous_url,
            served_at=self.served_at,
        )


class PageCursor:
    """Where an iteration over pages is. No page may come twice, and the pages must end.

    Args:
        page_size: How many items the first page has; the others have as many as the service allows.

    Attributes:
        options: Which page is next.
    """

    def __init__(self, page_size: int = LARGEST_PAGE) -> None:
        self._followed: set[str] = set()
        self._empty = 0
        self.options = PaginationOptions(page_size=page_size)

    def advance(self, page: PaginatedResponse[Any]) -> bool:
        """Move to the page after one that was read. ``options`` describe it.

        Returns:
            Whether there is another page.

        Raises:
            PaginationError: The listing does not end.
        """
        cursor = page.next_cursor
        if not cursor:
            return False
        if cursor in self._followed:
            # The cursor is not shown: a service could put anything into it, the token included.
            raise self._endless("led back to a page that was read before")
        self._empty = 0 if page.items else self._empty + 1
        if self._empty >= MOST_EMPTY_PAGES or len(self._followed) >= MOST_PAGES:
            raise self._endless("did not end" if page.items else "returned one empty page after another")
        self._followed.add(cursor)
        self.options = PaginationOptions(page_size=LARGEST_PAGE, cursor=cursor)
        return True

    def _endless(self, what: str) -> PaginationError:
        return PaginationError(
            f"The listing {what}, after {format_count(len(self._followed) + 1, 'page')}. It cannot be relied on, so "
            "nothing was done. Report this to the service."
        )


def iterate_pages(fetch: Callable[[PaginationOptions], PaginatedResponse[T]]) -> Iterator[PaginatedResponse[T]]:
    """Fetch all pages, each of the largest size that the service allows.

    Args:
        fetch: Fetches the page that the options describe.

    Yields:
        Each page, in the order of the service.

    Raises:
        PaginationError: The listing does not end.
    """
    cursor = PageCursor()
    while True:
        page = fetch(cursor.options)
        yield page
        if not cursor.advance(page):
            return


async def aiterate_pages(
    fetch: Callable[[PaginationOptions], Awaitable[PaginatedResponse[T]]],
) -> AsyncIterator[PaginatedResponse[T]]:
    """Fetch all pages as :func:`iterate_pages` does, asynchronously."""
    cursor = PageCursor()
    while True:
        page = await fetch(cursor.options)
        yield page
        if not cursor.advance(page):
            return
