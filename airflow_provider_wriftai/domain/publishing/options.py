"""How to publish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

IfExists = Literal["reuse", "fail", "create"]
"""What to do if the image has a version: return it, fail, or create another one."""

OnDuplicate = Literal["keep", "delete_own"]
"""What to do if another task created a version of the image at the same time."""

DEFAULT_LOOKBACK = 10
"""How many of the newest versions are searched for the image."""

DEFAULT_SETTLE_SECONDS = 120.0
"""Seconds after which the service has executed a create request, or never will."""


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
