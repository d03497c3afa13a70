"""Create exactly one version for an image: look, note the entry down, create, settle what had no clear answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from airflow_provider_wriftai.client.common_types import Version
from airflow_provider_wriftai.client.errors import (
    TOKEN_REFUSED,
    NotFoundError,
    RequestError,
    WriftAIError,
)
from airflow_provider_wriftai.client.pagination import PaginatedResponse
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.summary import VersionSummary
from airflow_provider_wriftai.client.versions import CreateVersionParams, Versions
from airflow_provider_wriftai.domain.publishing.errors import (
    UnsettledAndRefusedError,
    UnsettledCreateError,
    UnsettledPublishError,
    VersionExistsError,
)
from airflow_provider_wriftai.domain.publishing.journal import JournalEntry, StateStore, has_notes
from airflow_provider_wriftai.domain.publishing.reconcile import reconcile
from airflow_provider_wriftai.domain.publishing.search import ImageSearch, look_for_image, newer_than, newest_page
from airflow_provider_wriftai.domain.watermark import Watermark

log = logging.getLogger(__name__)

IfExists = Literal["reuse", "fail", "create"]
"""What to do about an image that has a version: return that, fail, or create another one."""

DEFAULT_LOOKBACK = 10
"""How many of the newest versions are searched for the image."""

DEFAULT_SETTLE_SECONDS = 120.0
"""Seconds after which the service is taken to have finished a create, or to have dropped it."""

_MOST_CREATES = 3
_LOOK_IS_FRESH_FOR = 10.0


@dataclass(frozen=True, slots=True)
class PublishResult:
    """The version of an image, and how it came about.

    Attributes:
        version: The version.
        outcome: ``created`` just now; ``reused``: it was there before; ``adopted``: created by a request whose answer
            was lost, in this try or an earlier one; ``remembered``: an earlier try of this task had it already.
    """

    version: Version
    outcome: Literal["created", "reused", "adopted", "remembered"]


def publish(
    versions: Versions,
    model: ModelReference,
    params: CreateVersionParams,
    *,
    if_exists: IfExists = "reuse",
    lookback: int = DEFAULT_LOOKBACK,
    settle_seconds: float = DEFAULT_SETTLE_SECONDS,
    memory: StateStore | None = None,
    is_retry: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> PublishResult:
    """Make sure that an image has a version, and that this task creates at most one.

    Where a create has no clear answer (a timeout, a broken connection, a 5xx), the newest versions are
    looked at until the new one shows up. Only when it has not within ``settle_seconds`` is the create sent again.

    Args:
        versions: The client.
        model: The model to publish to.
        params: The checked parameters of the version: see ``preflight``.
        if_exists: What to do where the image has a version among the newest ``lookback``.
        lookback: How many of the newest versions are searched: 1 to 50.
        settle_seconds: Seconds that the service may take to finish a create after its caller is gone.
        memory: What the task keeps over all its tries; None where it can keep nothing.
        is_retry: Whether there was an earlier try of the task.
        sleep: Waits a number of seconds.
        clock: Tells the time in seconds.

    Returns:
        The version, and how it came about.

    Raises:
        VersionExistsError: There is one, and ``if_exists`` is ``fail``.
        UnsettledPublishError: It cannot be told whether a version was created. Another try settles it.
        UnsettledCreateError: The same with ``if_exists`` ``create`` and no memory, where another try could make a
            second one.
        WriftAIError: What the client raises; nothing was created then.
    """
    publication = _Publication(
        versions, model, params, if_exists, lookback, settle_seconds, memory, is_retry, sleep, clock
    )
    return publication.carry_out()


@dataclass
class _Publication:
    """One try at publishing, with what all its steps need."""

    versions: Versions
    model: ModelReference
    params: CreateVersionParams
    if_exists: IfExists
    lookback: int
    settle_seconds: float
    memory: StateStore | None
    is_retry: bool
    sleep: Callable[[float], None]
    clock: Callable[[], float]
    looked_at: float = 0.0
    """When the newest versions were looked at last."""
    prior_attempt_unrecorded: bool = False
    """Whether an earlier try may have sent a create of which nothing was noted down."""

    @property
    def digest(self) -> str:
        return self.params["container_image_digest"]

    def carry_out(self) -> PublishResult:
        earlier = self._recalled()
        if earlier and (published := self._from_earlier_try(earlier)):
            return published
        page = self._newest()
        entry = JournalEntry(
            model=str(self.model),
            digest=self.digest,
            release_notes=self.params["release_notes"],
            # What an unsettled create of an earlier try may have made is to be found later too.
            watermark=earlier.watermark if earlier and not earlier.reference else Watermark.of(page),
        )
        newest = page.items[: self.lookback]
        if self.if_exists != "create" and (found := self._existing(newest)):
            return self._reuse(found, entry)
        log.info("Looked at the newest %d versions of %s.", len(newest), self.model)
        return self._create(entry)

    def _newest(self) -> PaginatedResponse[Version]:
        """Look at the newest versions."""
        self.looked_at = self.clock()
        return newest_page(self.versions, self.model, self.lookback)

    def _recalled(self) -> JournalEntry | None:
        """Recall what an earlier try of this task was about to create, or has."""
        saved = self.memory.load() if self.memory else None
        if saved is None:
            self.prior_attempt_unrecorded = self.is_retry and self.memory is None
            return None
        try:
            entry = JournalEntry.from_json(saved)
        except ValueError as error:
            if self.if_exists == "create":
                problem = f"what an earlier try of this task noted down cannot be read: {error}."
                raise UnsettledCreateError(self.model, self.digest, problem) from error
            log.warning("What an earlier try of this task noted down cannot be read: %s", error)
            self.prior_attempt_unrecorded = True
            return None
        if (entry.model, entry.digest) != (str(self.model), self.digest):
            log.info("An earlier try of this task was about another image or model; this one begins anew.")
            return None
        return entry

    def _from_earlier_try(self, entry: JournalEntry) -> PublishResult | None:
        if entry.reference:
            return self._still_there(entry.reference)
        # However long ago it was noted down: the create may have waited for the rate limit, and been sent just now.
        log.info(
            "An earlier try of this task was about to create a version; looking whether it did, for up to %.0f s.",
            self.settle_seconds,
        )
        return self._adopted(entry, "an earlier try of this task was about to, and ended.")

    def _still_there(self, reference: str) -> PublishResult | None:
        try:
            version = self.versions.get(reference)
        except NotFoundError:
            version = None
        told = version.get("container_image_digest") if version else None
        if version is None or (isinstance(told, str) and told != self.digest):
            log.info("%s, which this task published before, is gone; beginning anew.", reference)
            return None
        log.info("%s, which this task published before, is still there.", reference)
        self._warn_of_differences(version)
        return PublishResult(version, "remembered")

    def _existing(self, newest: list[Version]) -> Version | None:
        """Look among the newest versions for one of the image."""
        if not self.prior_attempt_unrecorded:
            seen = self._look_among(newest)
            if seen.unknown_digest and not seen.found:
                log.warning(
                    "The service does not tell of which image %s are; what is among them is not reused.",
                    ", ".join(version["reference"] for version in seen.unknown_digest),
                )
            return seen.found

        def look() -> Version | None:
            seen = self._look_among(self._newest().items[: self.lookback])
            same = [version for version in seen.unknown_digest if has_notes(version, self.params["release_notes"])]
            if same and not seen.found:
                raise self._unsettled(
                    f"an earlier try of this task may have, and of {same[0]['reference']}, which has the same release "
                    "notes, the service does not tell of which image it is."
                )
            return seen.found

        log.info("An earlier try of this task may have sent a create just before it ended; making sure it did not.")
        return reconcile(look, self.settle_seconds, sleep=self.sleep, clock=self.clock)

    def _reuse(self, found: Version, entry: JournalEntry) -> PublishResult:
        reference = found["reference"]
        if self.if_exists == "fail":
            raise VersionExistsError(self.model, self.digest, reference, is_retry=self.is_retry)
        log.info("Found %s: it is of image %s, so no other version is created.", reference, self.digest)
        self._warn_of_differences(found)
        self._note_down(entry.became(reference))
        return PublishResult(found, "reused")

    def _create(self, entry: JournalEntry) -> PublishResult:
        for sent in range(1, _MOST_CREATES + 1):
            self._remember(entry)
            if found := self._made_meanwhile(entry):
                return self._reuse(found, entry)
            try:
                created = self.versions.create(self.model.owner, self.model.name, self.params)
            except RequestError as error:
                if not error.ambiguous:
                    raise
                unclear = error
            else:
                log.info("Created %s for image %s.", created["reference"], self.digest)
                self._note_down(entry.became(created["reference"]))
                return PublishResult(created, "created")
            log.warning(
                "The create had no clear answer: %s Looking whether it was done, for up to %.0f s.",
                unclear,
                self.settle_seconds,
            )
            if adopted := self._adopted(entry, str(unclear)):
                return adopted
            if self.if_exists == "fail" and (found := self._existing(self._newest().items[: self.lookback])):
                raise VersionExistsError(self.model, self.digest, found["reference"], is_retry=True) from unclear
            if sent < _MOST_CREATES:
                log.info("It was not done; creating the version again (%d of %d).", sent + 1, _MOST_CREATES)
        raise self._unsettled(
            f"{unclear} That was the last of {_MOST_CREATES} creates without a clear answer, and nothing has come of "
            f"them within {self.settle_seconds:.0f} s each.",
        ) from unclear

    def _made_meanwhile(self, entry: JournalEntry) -> Version | None:
        """Look again where the last look was long ago: a try that was held up may have been replaced by another one."""
        if self.if_exists == "create" or self.clock() - self.looked_at <= _LOOK_IS_FRESH_FOR:
            return None
        return self._look_among(newer_than(self.versions, self.model, entry.watermark)).found

    def _adopted(self, entry: JournalEntry, why: str) -> PublishResult | None:
        """Look for what a create made, until it is there or has had the time to be."""
        try:
            found = reconcile(lambda: self._made_by(entry), self.settle_seconds, sleep=self.sleep, clock=self.clock)
        except UnsettledPublishError:
            raise
        except WriftAIError as error:
            is_refused = isinstance(error, TOKEN_REFUSED)
            raise self._unsettled(f"{why} Looking for it failed: {error}", is_refused=is_refused) from error
        if found is None:
            return None
        log.info("It was done: %s is there, of image %s.", found["reference"], self.digest)
        self._warn_of_differences(found)
        self._note_down(entry.became(found["reference"]))
        return PublishResult(found, "adopted")

    def _made_by(self, entry: JournalEntry) -> Version | None:
        """Look once for a version that a create may have made."""
        self.looked_at = self.clock()
        newer = newer_than(self.versions, self.model, entry.watermark)
        own = [version for version in newer if has_notes(version, entry.release_notes)]
        seen = self._look_among(own)
        # What is newer, has the same notes, and tells of no image is taken for it too.
        if found := seen.found or next(iter(seen.unknown_digest), None):
            any_will_do = self.if_exists == "reuse" and seen.found is not None
            if entry.watermark.is_below(VersionSummary.of(found)) is None and not any_will_do:
                raise self._unsettled(f"{found['reference']} may be it, or an older one: its time does not tell.")
            return found
        if self.if_exists != "reuse":
            return None
        # What has other notes is somebody else's; one of the image is what reuse asks for, whoever made it.
        return self._look_among([version for version in newer if version not in own]).found

    def _look_among(self, candidates: list[Version]) -> ImageSearch:
        return look_for_image(self.versions, candidates, self.digest, self.params["release_notes"])

    def _unsettled(self, problem: str, *, is_refused: bool = False) -> UnsettledPublishError:
        kind = UnsettledAndRefusedError if is_refused else UnsettledPublishError
        if self.if_exists == "create" and self.memory is None:
            kind = UnsettledCreateError
        return kind(self.model, self.digest, problem)

    def _remember(self, entry: JournalEntry) -> None:
        if self.memory:
            self.memory.save(entry.to_json())

    def _note_down(self, entry: JournalEntry) -> None:
        """Remember the outcome; where that fails, the entry is there, and leads to the version too."""
        try:
            self._remember(entry)
        except Exception as error:  # noqa: BLE001 - whatever it is, the version is there and the task has its result
            log.warning("That %s is this task's could not be noted down: %s", entry.reference, error)

    def _warn_of_differences(self, found: Version) -> None:
        for key, ours in (("release_notes", self.params["release_notes"]), ("schemas", self.params["schemas"])):
            if key in found and found.get(key) != ours:
                log.warning("%s has other %s than were asked for; versions never change.", found["reference"], key)
