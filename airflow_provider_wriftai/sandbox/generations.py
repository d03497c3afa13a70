"""The two shapes in which the service shows versions and pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from airflow_provider_wriftai.sandbox.store import Store, StoredVersion
from airflow_provider_wriftai.sandbox.validation import Page, RefusedError

Json = dict[str, Any]

_LONGEST_NUMBER = 18


@dataclass(frozen=True, slots=True)
class Generation:
    """How one generation of the API shows things.

    Attributes:
        number: 1 or 2.
        details: What get shows of a version.
        created: What create shows of it.
        item: What a list shows of it.
        page_urls: Whether a page tells its neighbours' URLs as well as their cursors.
    """

    number: int
    details: Callable[[StoredVersion], Json]
    created: Callable[[StoredVersion], Json]
    item: Callable[[StoredVersion], Json]
    page_urls: bool


def generation_1() -> Generation:
    """The generation in which a version is named by an opaque id."""
    return Generation(1, details=_whole, created=_whole, item=_whole, page_urls=True)


def generation_2(*, digest_in_lists: bool = False) -> Generation:
    """The generation in which a version is named by its number within the model.

    Args:
        digest_in_lists: Whether list items carry ``container_image_digest``, as on some deployments.
    """

    def item(version: StoredVersion) -> Json:
        digest = {"container_image_digest": version.container_image_digest} if digest_in_lists else {}
        return _numbered(version) | digest

    return Generation(2, details=_detailed, created=_configured, item=item, page_urls=False)


def _whole(version: StoredVersion) -> Json:
    return {
        "id": version.id,
        "release_notes": version.release_notes,
        "created_at": version.created_at,
        "schemas": version.schemas,
        "container_image_digest": version.container_image_digest,
    }


def _numbered(version: StoredVersion) -> Json:
    return {
        "number": version.number,
        "release_notes": version.release_notes,
        "created_at": version.created_at,
    }


def _detailed(version: StoredVersion) -> Json:
    return _numbered(version) | {
        "schemas": version.schemas,
        "compatibilities": version.compatibilities,
        "size": version.size,
        "container_image_digest": version.container_image_digest,
    }


def _configured(version: StoredVersion) -> Json:
    return _detailed(version) | {"configuration": version.configuration}


def page_of(generation: Generation, store: Store, owner: str, name: str, *, page: Page, url: str) -> Json:
    """Build one page of a model's versions, newest first.

    Args:
        generation: How it is shown.
        store: Where the versions are.
        owner: The model's owner.
        name: The model's name.
        page: Which page is asked for.
        url: The URL of the list without its query.
    """
    direction, number = _read_cursor(page.cursor)
    if direction == "above" and number is not None:
        versions = store.versions_above(owner, name, number, page.page_size)
    else:
        versions = store.versions_below(owner, name, number, page.page_size)
    first, last = (versions[0].number, versions[-1].number) if versions else (0, 0)
    older = bool(versions) and bool(store.versions_below(owner, name, last, 1))
    newer = bool(versions) and bool(store.versions_above(owner, name, first, 1))
    body: Json = {
        "items": [generation.item(version) for version in versions],
        "next_cursor": _cursor("below", last) if older else None,
        "previous_cursor": _cursor("above", first) if newer else None,
    }
    if generation.page_urls:
        for key in ("next", "previous"):
            cursor = body[f"{key}_cursor"]
            query = urlencode({"cursor": cursor, "page_size": page.page_size})
            body[f"{key}_url"] = f"{url}?{query}" if cursor else None
    return body


def _cursor(direction: str, number: int) -> str:
    return base64.urlsafe_b64encode(f"{direction}:{number}".encode()).decode()


def _read_cursor(cursor: str | None) -> tuple[str, int | None]:
    if cursor is None:
        return "below", None
    try:
        direction, _, number = base64.urlsafe_b64decode(cursor).decode().partition(":")
        if direction in ("above", "below") and len(number) <= _LONGEST_NUMBER:
            return direction, int(number)
    except (binascii.Error, ValueError):
        pass
    raise RefusedError(
        [{"loc": ["query", "cursor"], "msg": "Value error, not a cursor of this list", "type": "value_error"}]
    )
