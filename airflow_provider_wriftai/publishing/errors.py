"""What can go wrong with publishing, beyond the errors of the client."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_wriftai.client.errors import WriftAIError


class InvalidImageError(WriftAIError, ValueError):
    """What was handed over does not tell the digest of one image."""


class PreflightError(WriftAIError, ValueError):
    """Something that the service must refuse; nothing was sent.

    Attributes:
        problems: Everything that is wrong, each a sentence.
    """

    def __init__(self, model: object, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        listed = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"No version of {model} was created, and nothing was sent, because:{listed}")


class VersionExistsError(WriftAIError):
    """The image has a version already, and ``if_exists`` is ``fail``.

    Attributes:
        reference: The version that is there.
    """

    def __init__(self, model: object, digest: str, reference: str) -> None:
        self.reference = reference
        super().__init__(
            f"{model} has a version of image {digest} already: {reference}. No other one was created, "
            "because if_exists is 'fail'; 'reuse' returns the one that is there."
        )


class UnsettledPublishError(WriftAIError):
    """The create had no clear answer, and no version of the image has appeared since.

    The service may still finish it. Trying again with ``if_exists="reuse"`` finds such a version first.
    """

    next_step = "another try looks there first, before it creates anything."

    def __init__(self, model: object, digest: str, seconds: float, cause: Exception) -> None:
        super().__init__(
            f"It is not known whether a version of {model} was created for image {digest}: {cause} "
            f"No such version has appeared within {seconds:.0f} s. Look at the newest versions of {model}; "
            f"{self.next_step}"
        )


class UnsettledCreateError(UnsettledPublishError):
    """The same with ``if_exists="create"``, where another try could make a second version."""

    next_step = "no other try is made, because with if_exists 'create' it could create a second one."
