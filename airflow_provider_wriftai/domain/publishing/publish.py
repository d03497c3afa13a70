"""Create exactly one version for an image.

The service has no idempotency key: a create request that is sent twice makes two versions, and one without a response
may have been executed, or may still be. A publish therefore

1. reads the journal, where the task keeps one over its tries: an earlier try may have created the version already;
2. searches the newest versions for the image, as ``if_exists`` says;
3. stores in the journal what it is about to create, and the newest version that exists (the watermark). A try that
   Airflow has replaced cannot store anything any more, and ends here. If the journal or the search took long, it
   searches and stores again, so that nothing is created on old knowledge;
4. sends the create request;
5. reconciles, if the response is not clear: it searches the versions above the watermark until ``settle_seconds`` have
   passed, adopts what it finds, and sends the request again only when the version provably does not exist.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.endpoints import create_version, delete_version, get_version
from airflow_provider_wriftai.client.errors import NotFoundError, RequestError, WriftAIError
from airflow_provider_wriftai.client.pagination import PaginatedResponse
from airflow_provider_wriftai.client.references import ModelReference, VersionReference
from airflow_provider_wriftai.client.text import format_count
from airflow_provider_wriftai.client.version import VersionRecord
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.publishing.errors import (
    TaskStoppedError,
    UnresolvedPublishError,
    VersionDeletedError,
    VersionExistsError,
)
from airflow_provider_wriftai.domain.publishing.journal import JournalEntry, StateStore
from airflow_provider_wriftai.domain.publishing.outcome import PublishOutcome, PublishResult
from airflow_provider_wriftai.domain.publishing.reconcile import CONFIRMATION_SECONDS, reconcile
from airflow_provider_wriftai.domain.publishing.search import has_release_notes, list_newer, list_newest
from airflow_provider_wriftai.domain.sansio import Operations, Pause
from airflow_provider_wriftai.domain.search import FetchDetails, SearchResult, match_digest, search_versions
from airflow_provider_wriftai.domain.watermark import Age, Watermark

log = logging.getLogger(__name__)

IfExists = Literal["reuse", "fail", "create"]
"""What to do if the image has a version: return it, fail, or create another one."""

OnDuplicate = Literal["keep", "delete_own"]
"""What to do if another task created a version of the image at the same time."""

DEFAULT_LOOKBACK = 10
"""How many of the newest versions are searched for the image."""

DEFAULT_SETTLE_SECONDS = 120.0
"""Seconds after which the service has executed a create request, or never will."""

_MOST_CREATES = 3
_FRESH_SECONDS = 10.0
_MOST_CHECKS = 5
_ANOTHER_LOOK = Backoff(initial=2.0, factor=4.0)
_MOST_LOOKS = 3


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """How to publish.

    Attributes:
        if_exists: What to do if one of the newest ``lookback`` versions is of the image.
        lookback: How many of the newest versions are searched: 1 to 50.
        settle_seconds: Seconds after which the service has executed a create request, or never will.
        on_duplicate: What to do if another task created a version of the image at the same time. ``"delete_own"``
            deletes the version that this try has just created if an older one is of the same image, and returns that.
        is_retry: Whether there was an earlier try of the task.
    """

    if_exists: IfExists = "reuse"
    lookback: int = DEFAULT_LOOKBACK
    settle_seconds: float = DEFAULT_SETTLE_SECONDS
    on_duplicate: OnDuplicate = "keep"
    is_retry: bool = False


def publish(
    model: ModelReference,
    params: CreateVersionParams,
    options: PublishOptions | None = None,
    *,
    state: StateStore | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    details_of: FetchDetails | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Operations[PublishResult]:
    """Make sure that an image has a version, and that this task creates at most one.

    Args:
        model: The model to publish to.
        params: The checked parameters of the version: see ``preflight``.
        options: How to publish.
        state: What the task keeps over all its tries; None if it can keep nothing.
        is_stopped: Returns whether the task was stopped. Asked right before each create request.
        details_of: Fetches the details of versions; by default from the service.
        clock: Returns the time in seconds.

    Returns:
        The version, and how it came about.

    Raises:
        VersionExistsError: The image has a version, and ``if_exists`` is ``"fail"``.
        VersionDeletedError: An earlier try published the version, and it was deleted since.
        UnresolvedPublishError: It is unknown whether a version was created.
        TaskStoppedError: The task was stopped before the create request.
        WriftAIError: What the client raises. Nothing was created then.
    """
    publication = _Publication(model, params, options or PublishOptions(), state, is_stopped, details_of, clock)
    return publication.run()


@dataclass
class _Publication:
    """One try at publishing, with what all its steps need."""

    model: ModelReference
    params: CreateVersionParams
    options: PublishOptions
    state: StateStore | None
    is_stopped: Callable[[], bool]
    details_of: FetchDetails | None
    clock: Callable[[], float]
    searched_at: float = 0.0
    """When the last search began."""
    prior_attempt_unrecorded: bool = False
    """Whether an earlier try may have sent a create request of which nothing was recorded."""

    @property
    def digest(self) -> str:
        return self.params["container_image_digest"]

    @property
    def release_notes(self) -> str:
        return self.params["release_notes"]

    def run(self) -> Operations[PublishResult]:
        try:
            return (yield from self._run())
        except RequestError as error:
            if error.retryable or not self.prior_attempt_unrecorded:
                raise
            problem = f"An earlier try of this task may have created one, and this one failed: {error}"
            self._raise_unresolved(problem, error)

    def _run(self) -> Operations[PublishResult]:
        earlier = self._recall()
        if earlier is not None:
            result = yield from self._resume(earlier)
            if result is not None:
                return result
        page, found = yield from self._search_newest()
        entry = JournalEntry(
            model=self.model,
            digest=self.digest,
            release_notes=self.release_notes,
            # What an unresolved create request of an earlier try made must be found by later tries too.
            watermark=earlier.watermark if earlier else Watermark.of_page(page),
        )
        if found is not None:
            return (yield from self._reuse(found, entry))
        return (yield from self._create(entry))

    # ---- what earlier tries left

    def _recall(self) -> JournalEntry | None:
        """Return what an earlier try of this task was about to create, or has created."""
        saved = self.state.load() if self.state else None
        if saved is None:
            self.prior_attempt_unrecorded = self.options.is_retry and self.state is None
            return None
        try:
            entry = JournalEntry.from_json(saved)
        except ValueError as error:
            problem = f"The journal of an earlier try cannot be read: {error}."
            if self.options.if_exists == "create":
                self._raise_unresolved(problem, is_final=True)
            log.warning("%s", problem)
            self.prior_attempt_unrecorded = True
            return None
        if (entry.model, entry.digest) != (self.model, self.digest):
            log.info("An earlier try of this task published another image or model. Starting anew.")
            return None
        return entry

    def _resume(self, entry: JournalEntry) -> Operations[PublishResult | None]:
        if entry.reference is not None:
            return (yield from self._check_remembered(entry.reference))
        # However old the entry is: its create request may have waited for the rate limit, and been sent just now.
        log.info(
            "An earlier try of this task was about to create a version. Searching for it for up to %.0f s.",
            self.options.settle_seconds,
        )
        return (yield from self._adopt(entry, "An earlier try of this task was about to create one, and ended."))

    def _check_remembered(self, named: VersionReference) -> Operations[PublishResult]:
        """Return the version that an earlier try ended with."""
        reference = str(named)
        for look in range(1, _MOST_LOOKS + 1):
            try:
                version: VersionRecord = yield get_version(named)
            except NotFoundError:
                # A replica that lags, or a cache, may not know a new version yet.
                if look < _MOST_LOOKS:
                    yield Pause(_ANOTHER_LOOK.delay(look))
                continue
            except WriftAIError as error:
                self._raise_unresolved(
                    f"An earlier try of this task ended with {reference}, and fetching it failed: {error}", error
                )
            if version.digest in (None, self.digest):
                log.info("An earlier try of this task published %s, which still exists.", reference)
                self._report_differences(version, is_own=False)
                return PublishResult(version, PublishOutcome.REMEMBERED)
            break  # The model was deleted and created again: this is another version of the same name.
        raise VersionDeletedError(self.digest, reference)

    # ---- search

    def _search_newest(self) -> Operations[tuple[PaginatedResponse[VersionRecord], VersionRecord | None]]:
        """Search the newest versions for the image, as ``if_exists`` says."""
        if self.options.if_exists == "create":
            return (yield from self._list_newest()), None
        if not self.prior_attempt_unrecorded:
            return (yield from self._search_once())
        pages: list[PaginatedResponse[VersionRecord]] = []

        def search() -> Operations[VersionRecord | None]:
            page, found = yield from self._search_once(must_be_certain=True)
            pages.append(page)
            return found

        log.info("An earlier try of this task may have sent a create request. Searching for its version.")
        try:
            found = yield from reconcile(search, self.options.settle_seconds, clock=self.clock)
        except UnresolvedPublishError:
            raise
        except WriftAIError as error:
            self._raise_unresolved(
                f"An earlier try of this task may have created one. Searching for it failed: {error}", error
            )
        return pages[-1], found

    def _list_newest(self) -> Operations[PaginatedResponse[VersionRecord]]:
        self.searched_at = self.clock()
        return (yield from list_newest(self.model, self.options.lookback))

    def _search_once(
        self, *, must_be_certain: bool = False
    ) -> Operations[tuple[PaginatedResponse[VersionRecord], VersionRecord | None]]:
        for look in range(1, _MOST_LOOKS + 1):
            page = yield from self._list_newest()
            candidates = page.items[: self.options.lookback]
            if look == 1:
                known = {version.reference for version in page.items}
            result = yield from self._search_among(candidates)
            if result.first or not result.missing or look == _MOST_LOOKS:
                break
            # The list has versions whose details do not exist: one of the two is stale.
            yield Pause(_ANOTHER_LOOK.delay(look))
        if result.first is None:
            suspects = [v for v in result.unknown if must_be_certain or v.reference not in known]
            self._refuse_unknown(suspects)
            if result.unknown:
                log.warning(
                    "The service does not report the images of %s. None of them is reused.",
                    ", ".join(str(version.reference) for version in result.unknown),
                )
            log.info(
                "Searched the newest %s of %s: no version of %s exists.",
                format_count(len(candidates), "version"),
                self.model,
                self.digest,
            )
        return page, result.first

    def _search_among(self, candidates: Sequence[VersionRecord]) -> Operations[SearchResult]:
        """Search for the image. The oldest version is preferred if duplicates are deleted, so that all tasks agree."""
        prefers_oldest = self.options.on_duplicate == "delete_own"
        # Those with the same release notes are the likeliest, and need the fewest requests then.
        ordered = sorted(candidates, key=lambda version: not has_release_notes(version, self.release_notes))
        result = yield from search_versions(
            ordered, match_digest(self.digest), find_all=prefers_oldest, details_of=self.details_of
        )
        if prefers_oldest:
            result.found.sort(key=_age_order)
        elif result.first is not None:
            self._warn_of_duplicates(result.first, candidates)
        return result

    def _warn_of_duplicates(self, found: VersionRecord, candidates: Sequence[VersionRecord]) -> None:
        others = [v for v in candidates if v.digest == self.digest and v.reference != found.reference]
        if others:
            log.warning(
                "%s and %s are versions of the same image. Two tasks may have published it at the same moment.",
                found.reference,
                ", ".join(str(version.reference) for version in others),
            )

    # ---- end with a version

    def _reuse(self, found: VersionRecord, entry: JournalEntry) -> Operations[PublishResult]:
        if self.options.if_exists == "fail":
            raise VersionExistsError(self.model, self.digest, str(found.reference), is_retry=self.options.is_retry)
        log.info("%s is a version of image %s. No other version is created.", found.reference, self.digest)
        self._report_differences(found, is_own=False)
        yield from self._record(entry.resolve(found.reference))
        return PublishResult(found, PublishOutcome.REUSED)

    def _create(self, entry: JournalEntry) -> Operations[PublishResult]:
        for sent in range(1, _MOST_CREATES + 1):
            found = yield from self._confirm_and_store(entry)
            if found is not None:
                return (yield from self._reuse(found, entry))
            if self.is_stopped():
                raise TaskStoppedError.while_publishing(self.model)
            try:
                created: VersionRecord = yield create_version(self.model, {**self.params})
            except RequestError as error:
                if not error.ambiguous:
                    raise
                unclear = error
            else:
                return (yield from self._finish_created(created, entry))
            log.warning(
                "The create request had no clear outcome: %s Searching for its version for up to %.0f s.",
                unclear,
                self.options.settle_seconds,
            )
            adopted = yield from self._adopt(entry, str(unclear))
            if adopted is not None:
                return adopted
            if self.options.if_exists == "fail":
                existing = yield from self._search_newer(entry.watermark)
                if existing is not None:
                    raise VersionExistsError(self.model, self.digest, str(existing.reference), is_retry=True)
            if sent < _MOST_CREATES:
                log.info("The version does not exist. Creating it again (%d of %d).", sent + 1, _MOST_CREATES)
        self._raise_unresolved(
            f"{unclear} That was the last of {_MOST_CREATES} create requests without a clear outcome, and no version "
            f"appeared within {self.options.settle_seconds:.0f} s of each.",
            unclear,
        )

    def _confirm_and_store(self, entry: JournalEntry) -> Operations[VersionRecord | None]:
        """Store what is about to be created, on knowledge that is fresh when this returns.

        A try that was held up for long may have been replaced by another one, or overtaken by another task.

        Returns:
            A version of the image that was created meanwhile, if it must not get another one.
        """
        for _ in range(_MOST_CHECKS):
            began = self.clock()
            if self.options.if_exists != "create" and began - self.searched_at > _FRESH_SECONDS:
                found = yield from self._search_newer(entry.watermark)
                if found is None:
                    # One response may be stale, and this try may be a zombie whose successor has finished.
                    yield Pause(CONFIRMATION_SECONDS)
                    found = yield from self._search_newer(entry.watermark)
                if found is not None:
                    return found
                began = self.clock()
            self._save(entry)
            oldest = began if self.options.if_exists == "create" else min(began, self.searched_at)
            if self.clock() - oldest <= _FRESH_SECONDS:
                break
        return None

    def _search_newer(self, watermark: Watermark) -> Operations[VersionRecord | None]:
        self.searched_at = self.clock()
        newer = yield from list_newer(self.model, watermark)
        result = yield from self._search_among(newer)
        if result.first is None:
            self._refuse_unknown(result.unknown)
        return result.first

    def _refuse_unknown(self, suspects: Sequence[VersionRecord]) -> None:
        """Create nothing beside a version that may be this task's own, as far as can be determined."""
        same = [version for version in suspects if has_release_notes(version, self.release_notes)]
        if same:
            self._raise_unresolved(
                f"Another try of this task may have created {same[0].reference}. It has the same release notes, and "
                "the service does not report its image."
            )

    def _finish_created(self, created: VersionRecord, entry: JournalEntry) -> Operations[PublishResult]:
        log.info("Created %s.", created.reference)
        self._report_differences(created, is_own=True)
        if self.options.if_exists != "create":
            if self.options.on_duplicate == "delete_own":
                older = yield from self._delete_if_duplicate(created, entry)
                if older is not None:
                    return (yield from self._reuse(older, entry))
            else:
                self._warn_of_concurrent(created, entry.watermark)
        yield from self._record(entry.resolve(created.reference))
        return PublishResult(created, PublishOutcome.CREATED)

    def _delete_if_duplicate(self, created: VersionRecord, entry: JournalEntry) -> Operations[VersionRecord | None]:
        """Delete the version that this try has just created, if an older one is of the same image.

        The oldest one wins, so all tasks agree without talking to each other. The journal stays unresolved meanwhile: a
        try that follows a killed one finds whichever version is there.

        Returns:
            The older version; None if there is none.
        """
        try:
            newer = yield from list_newer(self.model, entry.watermark)
            others = [version for version in newer if version.reference != created.reference]
            result = yield from search_versions(others, match_digest(self.digest), find_all=True)
        except WriftAIError as error:
            log.warning("Whether %s is a duplicate cannot be determined. It is kept: %s", created.reference, error)
            return None
        older = [version for version in result.found if _age_order(version) < _age_order(created)]
        if not older:
            return None
        oldest = min(older, key=_age_order)
        log.warning(
            "Another task created %s of the same image at the same moment. Deleting %s, which this try created.",
            oldest.reference,
            created.reference,
        )
        try:
            yield delete_version(created.reference)
        except NotFoundError:
            pass
        except WriftAIError as error:
            log.warning("%s may not have been deleted. Delete it, unless it is in use: %s", created.reference, error)
        return oldest

    def _warn_of_concurrent(self, created: VersionRecord, watermark: Watermark) -> None:
        if created.number is None or watermark.number is None or created.number <= watermark.number + 1:
            return
        first, last = watermark.number + 1, created.number - 1
        between = f"{self.model}:{first}" + (f" to {self.model}:{last}" if last > first else "")
        log.warning(
            "%s was published while this task created %s. Check whether it is of the same image; "
            "on_duplicate='delete_own' does that.",
            between,
            created.reference,
        )

    def _adopt(self, entry: JournalEntry, why: str) -> Operations[PublishResult | None]:
        """Search for what a create request made, until it exists or cannot appear any more."""
        try:
            found = yield from reconcile(
                lambda: self._search_made(entry), self.options.settle_seconds, clock=self.clock
            )
        except UnresolvedPublishError:
            raise
        except WriftAIError as error:
            self._raise_unresolved(f"{why} Searching for it failed: {error}", error)
        if found is None:
            return None
        decided_by = "its image" if found.digest else "its release notes; the service does not report its image"
        log.info("The create request was executed: it made %s (recognized by %s).", found.reference, decided_by)
        self._report_differences(found, is_own=False)
        yield from self._record(entry.resolve(found.reference))
        return PublishResult(found, PublishOutcome.ADOPTED)

    def _search_made(self, entry: JournalEntry) -> Operations[VersionRecord | None]:
        """Search once for a version that a create request may have made."""
        self.searched_at = self.clock()
        newer = yield from list_newer(self.model, entry.watermark)
        own = [version for version in newer if has_release_notes(version, entry.release_notes)]
        if self.options.if_exists == "reuse" and self.options.on_duplicate == "delete_own":
            own = newer
        result = yield from self._search_among(own)
        # A newer version with the same release notes whose image is not reported counts as ours.
        unknown = [version for version in result.unknown if has_release_notes(version, entry.release_notes)]
        found = result.first or next(iter(unknown), None)
        if found is not None:
            is_any_good = self.options.if_exists == "reuse" and result.first is not None
            if entry.watermark.compare(found) is Age.UNKNOWN and not is_any_good:
                self._raise_unresolved(
                    f"{found.reference} may be it, or an older version: its time of creation does not say."
                )
            return found
        if result.missing:
            self._raise_unresolved(
                f"{result.missing[0].reference} may be it: the list has it, but its details cannot be fetched yet."
            )
        if self.options.if_exists != "reuse":
            return None
        # Somebody else's version of the image has other release notes. Reuse accepts it, whoever created it.
        return (yield from self._search_among([version for version in newer if version not in own])).first

    # ---- bookkeeping

    def _raise_unresolved(self, problem: str, cause: WriftAIError | None = None, *, is_final: bool = False) -> NoReturn:
        retryable = not is_final and (cause is None or cause.retryable)
        if is_final:
            next_step = (
                f"Look at the newest versions of {self.model}. To publish anew all the same, set remember=False and "
                "clear the task."
            )
        elif self.options.if_exists == "create" and self.state is None:
            retryable = False
            next_step = (
                f"Look at the newest versions of {self.model}. No other try is made, because with if_exists='create' "
                "and without a task state store (Airflow 3.3) it could create a second version."
            )
        elif not retryable:
            next_step = (
                "Correct what the error names, and clear the task: it searches for the version before it creates one."
            )
        else:
            next_step = "The next try searches for the version before it creates one."
        raise UnresolvedPublishError(
            self.model, self.digest, problem, next_step=next_step, retryable=retryable
        ) from cause

    def _save(self, entry: JournalEntry) -> None:
        if self.state:
            self.state.save(entry.to_json())

    def _record(self, entry: JournalEntry) -> Operations[None]:
        """Store the outcome. If that fails, the unresolved entry remains, and leads to the version too."""
        for attempt in (1, 2):
            try:
                self._save(entry)
            except Exception as error:  # noqa: BLE001 - the version exists, and the task has its result
                if attempt == 2:
                    log.warning("That this task published %s could not be stored: %s", entry.reference, error)
                    break
                yield Pause(1.0)
            else:
                break

    def _report_differences(self, version: VersionRecord, *, is_own: bool) -> None:
        """Log what differs between a version and what was asked for."""
        differing: list[str] = [
            key
            for key in ("schemas", "compatibilities", "configuration")
            if key in self.params and key in version.body and not _agrees(version.body[key], self.params[key])
        ]
        if version.release_notes is not None and not has_release_notes(version, self.release_notes):
            if is_own:
                differing.insert(0, "release_notes")
            else:
                # Expected where the release notes hold a date or a run id.
                log.info("%s has other release_notes than this task's. Versions never change.", version.reference)
        if differing:
            log.warning(
                "%s has other %s than requested. Versions never change.", version.reference, ", ".join(differing)
            )


def _agrees(reported: object, requested: object) -> bool:
    """Return whether the service reports what was requested; it may add keys of its own."""
    if isinstance(reported, dict) and isinstance(requested, dict):
        return all(key in reported and _agrees(reported[key], value) for key, value in requested.items())
    return reported == requested


def _age_order(version: VersionRecord) -> tuple[float, str]:
    """Return by what versions of one model are ordered, oldest first."""
    if version.number is not None:
        return float(version.number), ""
    return (version.created_at.timestamp() if version.created_at else float("inf")), str(version.reference)
