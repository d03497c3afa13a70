"""One try at publishing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn

from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.references import ModelReference, VersionReference
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.publishing.errors import UnresolvedPublishError
from airflow_provider_wriftai.domain.publishing.journal import JournalEntry, StateStore
from airflow_provider_wriftai.domain.publishing.options import PublishOptions


@dataclass
class Publication:
    """One try at publishing, with what all its steps need.

    Attributes:
        service: The base URL of the service.
        model: The model to publish to.
        params: The checked parameters of the version.
        options: How to publish.
        state: What the task keeps over all its tries; None if it can keep nothing.
        is_stopped: Returns whether the task was stopped.
        clock: Returns the time in seconds.
        searched_at: When the last search began.
        prior_attempt_unrecorded: Whether an earlier try may have sent a create request of which nothing was recorded.
        others: Versions that are known to be of other images, and when they were created. Versions never change, so
            their details are not fetched again.
    """

    service: str
    model: ModelReference
    params: CreateVersionParams
    options: PublishOptions
    state: StateStore | None
    is_stopped: Callable[[], bool]
    clock: Callable[[], float]
    searched_at: float = 0.0
    prior_attempt_unrecorded: bool = False
    others: set[tuple[VersionReference, datetime | None]] = field(default_factory=set)

    @property
    def digest(self) -> str:
        """The digest of the image."""
        return self.params["container_image_digest"]

    @property
    def release_notes(self) -> str:
        """The release notes of the version."""
        return self.params["release_notes"]

    def save(self, entry: JournalEntry) -> None:
        """Store an entry in the journal, if the task keeps one."""
        if self.state:
            self.state.save(entry.to_json())

    def raise_unresolved(self, problem: str, cause: WriftAIError | None = None, *, is_final: bool = False) -> NoReturn:
        """Fail, because it is unknown whether a version was created, and say what to do next.

        Args:
            problem: Why it is unknown.
            cause: The error behind it.
            is_final: Whether no other try can find out.

        Raises:
            UnresolvedPublishError: Always.
        """
        retryable = not is_final and (cause is None or cause.retryable)
        if is_final:
            next_step = (
                f"Check the newest versions of {self.model}. To publish anyway, set remember=False and clear the task."
            )
        elif self.options.if_exists == "create" and self.state is None:
            retryable = False
            next_step = (
                f"Check the newest versions of {self.model}. The task is not retried, because with if_exists='create' "
                "and without a task state store (Airflow 3.3) a retry could create a second version."
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
