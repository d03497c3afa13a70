"""The digests of images in what a build wrote, and choosing one where it tells of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_wriftai.client.references import is_digest
from airflow_provider_wriftai.domain.publishing.errors import InvalidImageError

_MOST_TOLD = 10
_LONGEST_NAME = 200
_TRANSPORT = "docker://"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that a build tells of.

    Attributes:
        digest: The digest of its manifest.
        names: What it can be selected by.
    """

    digest: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = ", ".join(name[:_LONGEST_NAME] for name in self.names[:_MOST_TOLD])
        return f"{self.digest} ({names})" if names else self.digest


def parse_image(reference: str) -> Image | None:
    """Read a digest, or an image reference that ends in ``@`` and one.

    Returns:
        The image; its names are the reference's name with its tag and without. None if the text is neither.
    """
    name, _, digest = reference.rpartition("@")
    if not is_digest(digest) or any(character.isspace() for character in reference):
        return None
    return Image(digest, names_of(name))


def names_of(name: str) -> tuple[str, ...]:
    """List what an image can be called: its name as it is, and without its tag; a registry needs no transport."""
    name = name.removeprefix(_TRANSPORT)
    repository, colon, tag = name.rpartition(":")
    # A colon before a slash is that of a port.
    untagged = repository if colon and "/" not in tag else name
    return tuple(dict.fromkeys(text for text in (name, untagged) if text))


def select_image(candidates: Sequence[Image], selector: str | None, what: str) -> Image:
    """Choose the one image that is meant.

    Args:
        candidates: The images that a build tells of; the same digest may come more than once.
        selector: A name of the image; None where there is only one.
        what: What tells of them, to begin a sentence with.

    Returns:
        The image, with all the names that it is told of with.

    Raises:
        InvalidImageError: There is none, or more than one, or none of that name.
    """
    if not candidates:
        raise InvalidImageError(f"{what} tells of no image.")
    meant = candidates if selector is None else [each for each in candidates if selector in each.names]
    digests = {each.digest for each in meant}
    if len(digests) == 1:
        return Image(digests.pop(), tuple(dict.fromkeys(name for each in meant for name in each.names)))
    told = "; ".join(map(str, candidates[:_MOST_TOLD])) + ("; …" if len(candidates) > _MOST_TOLD else "")
    called = "" if selector is None else f" that is called {selector[:_LONGEST_NAME]!r}"
    if not digests:
        raise InvalidImageError(f"{what} tells of no image{called}. It has: {told}.")
    advice = "; say which with image_selector" if selector is None else ""
    raise InvalidImageError(f"{what} tells of more than one image{called}{advice}. It has: {told}.")
