"""Check a task that has published under faults. The checks follow the guide, not the code."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_wriftai.domain.publishing.errors import (
    UnresolvedPublishError,
    VersionDeletedError,
    VersionExistsError,
)

from .service import DIGEST
from .workload import LATE_SECONDS, Task

_FRESH_SECONDS = 12.0
_NAMES_A_VERSION = (UnresolvedPublishError, VersionExistsError, VersionDeletedError)


def check(task: Task) -> Iterator[str]:
    """Check a task that has ended, then clear it, and check it again.

    Yields:
        A description of each problem.
    """
    service, nemesis, configuration = task.service, task.nemesis, task.configuration
    nemesis.is_over = True
    service.advance(10 * LATE_SECONDS)
    yield from _check_end(task)
    yield from _check_searched(task)
    may_create_again = configuration.if_exists == "create" and not configuration.has_store
    if may_create_again:
        return
    ended_with = task.result
    task.tries = min(task.tries, 1)
    task.run()
    yield from (f"after a clear: {problem}" for problem in _check_end(task))
    if (
        ended_with is not None
        and configuration.has_store
        and (task.result is None or task.result.version.reference != ended_with.version.reference)
    ):
        yield f"a clear did not return {ended_with.version.reference}: {task.result or task.error!r}"


def _check_end(task: Task) -> Iterator[str]:
    service, nemesis, configuration = task.service, task.nemesis, task.configuration
    own = [row for row in service.created if row.creator == task.name]
    may_duplicate = configuration.if_exists == "create" and not configuration.has_store and task.is_disturbed
    if len(own) > 1 and not may_duplicate:
        yield f"duplicated: {len(own)} versions"
    is_zombie = nemesis.has("freeze") and not configuration.has_store
    if task.result is not None:
        row = service.row_of(task.result.version.reference)
        if row is None:
            yield f"lost: {task.result.version.reference} does not exist"
        elif row.digest != DIGEST:
            yield "returned a version of another image"
        elif (
            row.creator != task.name
            and configuration.if_exists != "reuse"
            # Versions with the same image and the same notes are indistinguishable.
            and not nemesis.has("another task publishes the image with the same notes")
        ):
            yield f"returned the version of another task: {row.number}"
    elif task.error is None and not task.is_disturbed:
        yield "ended with neither a result nor an error"
    # Without a store, a frozen try may still create a version after its successor has failed.
    elif task.error is not None and own and not isinstance(task.error, _NAMES_A_VERSION) and not is_zombie:
        yield f"failed with an error that does not name the existing version: {task.error!r}"
    if isinstance(task.error, VersionDeletedError):
        yield "reported an existing version as deleted"


def _check_searched(task: Task) -> Iterator[str]:
    """Check that no version was created for an image that had had another task's version for some time."""
    is_certain = task.configuration.if_exists != "create" and task.service.digests != "nowhere"
    if not is_certain or task.nemesis.has("stale", "404"):
        return
    for create_time in task.create_times:
        known = [
            row
            for row in task.service.created
            if row.digest == DIGEST and row.creator != task.name and row.created_at < create_time - _FRESH_SECONDS
        ]
        if known:
            yield f"created a version although {known[0].number} existed for {create_time - known[0].created_at:.0f} s"
