"""Create exactly one version for an image: look, create once, settle what had no clear answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.errors import NotFoundError, RequestError
from airflow_provider_wriftai.client.pagination import LARGEST_PAGE, PaginationOptions
from airflow_provider_wriftai.client.references import ModelReference, VersionNumber, parse_version
from airflow_provider_wriftai.client.versions import CreateVersionParams, Versions
from airflow_provider_wriftai.publishing.errors import UnsettledCreateError, UnsettledPublishError, VersionExistsError

log = logging.getLogger(__name__)

IfExists = Literal["reuse", "fail", "create"]
"""What to do about an image that has a version: return that, fail, or create another one."""

DEFAULT_LOOKBACK = 10
"""How many of the newest versions are searched for the image."""

_SMALLEST_PAGE = 5
_SETTLING = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True)
class Published:
    """The version of an image, and how it came about."""

    version: Version
    how: Literal["created", "reused", "adopted"]


def publish(
    versions: Versions,
    model: ModelReference,
    params: CreateVersionParams,
    *,
    if_exists: IfExists = "reuse",
    lookback: int = DEFAULT_LOOKBACK,
    sleep: Callable[[float], None] = time.sleep,
) -> Published:
    """Make sure that an image has a version, and that at most one is created.

    Where the create has no clear answer (a timeout, a broken connection, a 5xx), the newest versions are
    looked at again until the new one shows up, for at most 15 seconds.

    Args:
        versions: The client.
        model: The model to publish to.
        params: The checked parameters of the version: see ``preflight``.
        if_exists: What to do where the image has a version among the newest ``lookback``.
        lookback: How many of the newest versions are searched: 1 to 50.
        sleep: Waits a number of seconds.

    Returns:
        The version, and whether it was created, reused, or created by a request whose answer was lost.

    Raises:
        VersionExistsError: There is one, and ``if_exists`` is ``fail``.
        UnsettledPublishError: It cannot be told whether a version was created. Another try settles it.
        UnsettledCreateError: The same with ``if_exists`` ``create``, where another try could make a second one.
        WriftAIError: What the client raises; nothing was created then.
    """
    digest = params["container_image_digest"]
    newest = _newest(versions, model, lookback)
    log.info("Looked at the newest %d versions of %s for image %s.", len(newest), model, digest)
    if if_exists != "create" and (found := _with_digest(versions, newest, params)):
        if if_exists == "fail":
            raise VersionExistsError(model, digest, found["reference"])
        _warn_of_differences(found, params)
        log.info("Found %s: it is of this image, so no other version is created.", found["reference"])
        return Published(found, "reused")
    try:
        created = versions.create(model.owner, model.name, params)
    except RequestError as error:
        if not error.ambiguous:
            raise
        log.warning("The create had no clear answer: %s Looking whether the version is there.", error)
        return Published(
            _settle(versions, model, params, if_exists=if_exists, before=newest, error=error, sleep=sleep), "adopted"
        )
    log.info("Created %s for image %s.", created["reference"], digest)
    return Published(created, "created")


def _newest(versions: Versions, model: ModelReference, count: int) -> list[Version]:
    options = PaginationOptions(page_size=min(max(count, _SMALLEST_PAGE), LARGEST_PAGE))
    return versions.list(model.owner, model.name, options).items[:count]


def _with_digest(versions: Versions, candidates: Iterable[Version], params: CreateVersionParams) -> Version | None:
    """Find the newest version of the image; those with the same notes are the likeliest and come first."""
    for item in sorted(candidates, key=lambda version: version.get("release_notes") != params["release_notes"]):
        version = item
        if not isinstance(item.get("container_image_digest"), str):
            try:
                version = versions.get(item["reference"])
            except NotFoundError:
                continue
        if version.get("container_image_digest") == params["container_image_digest"]:
            return version if "schemas" in version else versions.get(version["reference"])
    return None


def _settle(
    versions: Versions,
    model: ModelReference,
    params: CreateVersionParams,
    *,
    if_exists: IfExists,
    before: Sequence[Version],
    error: RequestError,
    sleep: Callable[[float], None],
) -> Version:
    for pause in _SETTLING:
        sleep(pause)
        try:
            newer = [version for version in _newest(versions, model, LARGEST_PAGE) if _is_newer(version, before)]
            if if_exists != "reuse":
                # What has other notes is of the same image, but somebody else's.
                newer = [version for version in newer if version.get("release_notes") == params["release_notes"]]
            found = _with_digest(versions, newer, params)
        except RequestError as look_error:
            log.warning("Looking failed too: %s", look_error)
            continue
        if found:
            log.info("The version is there: %s.", found["reference"])
            _warn_of_differences(found, params)
            return found
    unsettled = UnsettledCreateError if if_exists == "create" else UnsettledPublishError
    raise unsettled(model, params["container_image_digest"], sum(_SETTLING), error) from error


def _is_newer(version: Version, before: Sequence[Version]) -> bool:
    """Tell whether a version was made after those that were the newest before; in doubt it was not."""
    if any(version["reference"] == other["reference"] for other in before):
        return False
    number = _number_of(version)
    if number is not None:
        return all(number > (_number_of(other) or 0) for other in before)
    created_at = _time_of(version)
    known = [_time_of(other) for other in before]
    return created_at is not None and all(other is not None and created_at >= other for other in known)


def _number_of(version: Version) -> int | None:
    reference = parse_version(version["reference"])
    return reference.number if isinstance(reference, VersionNumber) else None


def _time_of(version: Version) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(version.get("created_at")))
    except ValueError:
        return None
    return time if time.tzinfo else None


def _warn_of_differences(found: Version, params: CreateVersionParams) -> None:
    for key, ours in (("release_notes", params["release_notes"]), ("schemas", params["schemas"])):
        if key in found and found.get(key) != ours:
            log.warning("%s has other %s than were asked for; versions never change.", found["reference"], key)
