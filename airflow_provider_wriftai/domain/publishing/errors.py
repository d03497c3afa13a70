"""The errors of publishing, beyond those of the client."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.text import join_limited


class PreflightError(WriftAIError, ValueError):
    """The service would refuse the version. Nothing was sent.

    Attributes:
        problems: Everything that is wrong, each a sentence.
    """

    def __init__(self, model: object, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            f"No version of {model} was created, and nothing was sent, because:{join_limited(self.problems, 50)}"
        )


class VersionExistsError(WriftAIError):
    """The image has a version already, and ``if_exists`` is ``"fail"``.

    Attributes:
        reference: The version that exists.
    """

    def __init__(self, model: object, digest: str, reference: str, *, is_retry: bool = False) -> None:
        self.reference = reference
        own = " An earlier try of this task may have created it." if is_retry else ""
        super().__init__(
            f"{model} already has a version of image {digest}: {reference}.{own} No other version was created, because "
            "if_exists is 'fail'. Set it to 'reuse' to return the existing version."
        )


class VersionDeletedError(WriftAIError):
    """This task published a version in an earlier try, and that version was deleted since.

    Publishing its image again would make it the newest version, which nobody asked for.

    Attributes:
        reference: The version that was deleted.
    """

    def __init__(self, digest: str, reference: str) -> None:
        self.reference = reference
        super().__init__(
            f"This task published image {digest} as {reference} in an earlier try, and that version has been deleted "
            "since. Nothing was created, because the image would become the newest version again. To publish it again, "
            "set remember=False or trigger a new run."
        )


class UnresolvedPublishError(WriftAIError):
    """It is unknown whether this task created a version.

    ``retryable`` says whether another try can find out without creating a second version.
    """

    retryable = True

    def __init__(self, model: object, digest: str, problem: str, *, next_step: str, retryable: bool) -> None:
        self.retryable = retryable
        super().__init__(
            f"It is unknown whether a version of {model} was created for image {digest}: {problem} {next_step}"
        )
