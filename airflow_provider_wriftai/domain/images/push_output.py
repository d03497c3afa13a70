"""The output of a push: the lines of ``docker push``, and the messages of Docker's API and of docker-py."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.images.descriptor import read_digest
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Entry, Image, UnusableEntry, tagged_names

_PUSHED = re.compile(r"(?P<tag>\w[\w.-]{0,127}): digest: (?P<digest>sha256:[a-f0-9]{64}) size: [0-9]+", re.ASCII)
_REPOSITORY = re.compile(r"The push refers to repository \[(?P<name>[^\s\]]+)\]")


def read_push_lines(lines: Sequence[str]) -> list[Image]:
    """Read what ``docker push`` printed, all of it or its last line.

    Returns:
        The images, one for each tag; none if the lines are something else.
    """
    repository, images = None, []
    for line in lines:
        if begun := _REPOSITORY.fullmatch(line):
            repository = begun["name"]
        elif pushed := _PUSHED.fullmatch(line):
            images.append(Image(pushed["digest"], tagged_names(repository, [pushed["tag"]])))
    return images


def is_message(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is a message of Docker's API, or what is in its last one."""
    return isinstance(metadata.get("aux"), Mapping) or "errorDetail" in metadata or is_pushed(metadata)


def is_pushed(metadata: Mapping[str, Any]) -> bool:
    """Return whether it is what the last message of a push holds."""
    return {"Tag", "Digest", "Size"} <= metadata.keys()


def read_message(metadata: Mapping[str, Any], subject: str) -> Iterator[Entry]:
    """Read a message.

    Raises:
        InvalidImageError: The push, or the build, failed.
    """
    if "errorDetail" in metadata:
        raise InvalidImageError(f"{subject} reports that the push failed: {truncated_repr(metadata.get('error'))}.")
    pushed = metadata if is_pushed(metadata) else metadata["aux"]
    if "Digest" in pushed:
        yield read_digest(pushed, "Digest", subject, tagged_names(None, [pushed.get("Tag")]))
    elif "ID" in pushed:
        yield UnusableEntry(
            f"{subject} has an image id and no digest: it comes from a build. Pass what the push returns."
        )


def read_messages(messages: Sequence[Mapping[str, Any]], subject: str) -> list[Entry] | None:
    """Read the messages of a push.

    Returns:
        The images; None if these are no messages.

    Raises:
        InvalidImageError: The push failed, or has not ended.
    """
    if not any(is_message(each) or {"status", "progressDetail"} <= each.keys() for each in messages):
        return None
    found = [entry for each in messages if is_message(each) for entry in read_message(each, subject)]
    lines = [each["status"] for each in messages if isinstance(each.get("status"), str)]
    images = [*read_push_lines(lines), *(each for each in found if isinstance(each, Image))]
    if not images and not found:
        raise InvalidImageError(f"{subject} has no digest: the push failed or was not read to its end.")
    # A stream of a build and a push has the image id, too.
    return list(images or found)
