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

    def __init__(self, model: object, digest: str, reference: str, *, is_retry: bool = False) -> None:
        self.reference = reference
        own = " It may be this task's own, made by an earlier try whose answer was lost." if is_retry else ""
        super().__init__(
            f"{model} has a version of image {digest} already: {reference}.{own} No other one was created, "
            "because if_exists is 'fail'; 'reuse' returns the one that is there."
        )


class UnsettledPublishError(WriftAIError):
    """A create had no clear answer, and it could not be settled what became of it.

    Another try looks for what this one may have made before it creates anything.
    """

    next_step = "another try looks there first, before it creates anything."

    def __init__(self, model: object, digest: str, problem: str) -> None:
        super().__init__(
            f"It is not known whether a version of {model} was created for image {digest}: {problem} "
            f"Look at the newest versions of {model}; {self.next_step}"
        )


class UnsettledAndRefusedError(UnsettledPublishError):
    """The same, because the token is refused by now: no other try could look either."""

    next_step = (
        "give the connection a token that may see them, and clear the task: it looks there first, before it creates "
        "anything."
    )


class UnsettledCreateError(UnsettledPublishError):
    """The same with ``if_exists="create"`` and nothing kept between tries: another try could make a second version."""

    next_step = (
        "no other try is made, because with if_exists 'create', and without a memory over the tries (Airflow 3.3), "
        "it could create a second one."
    )
