"""An image that a build made, and its names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from airflow_provider_wriftai.client.references import is_digest
from airflow_provider_wriftai.client.text import truncated_repr

_MOST_NAMES = 10
_TRANSPORT = re.compile(r"^(docker|https?)://")


@dataclass(frozen=True, slots=True)
class Image:
    """An image that a build made.

    Attributes:
        digest: The digest of its manifest or index.
        names: What ``image_selector`` can call it.
        warnings: Why the registry may have another digest for it, each a sentence.
    """

    digest: str
    names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return label(self.digest, self.names)


@dataclass(frozen=True, slots=True)
class Part:
    """An image inside an index, such as that of one platform. It counts only when a selector names it."""

    image: Image


@dataclass(frozen=True, slots=True)
class UnusableEntry:
    """An entry of a build's output that cannot be published.

    Attributes:
        reason: Why, as a sentence.
        names: What ``image_selector`` can call it.
        is_image: Whether it is nevertheless an image, so that the user may mean it.
    """

    reason: str
    names: tuple[str, ...] = ()
    is_image: bool = True


Entry = Image | Part | UnusableEntry
"""An entry that a reader finds in a build's output."""


def label(digest: str, names: tuple[str, ...]) -> str:
    """Write an image for a message."""
    shown = ", ".join(map(truncated_repr, names[:_MOST_NAMES])) + (", …" if len(names) > _MOST_NAMES else "")
    return " ".join(filter(None, (digest, f"({shown})" if names and digest else shown)))


def within(subject: str) -> str:
    """Return what begins a sentence as it is written inside one."""
    return subject[:1].lower() + subject[1:]


def parse_image(reference: str) -> Image | None:
    """Read a digest, or an image reference that ends in ``@`` and one.

    Returns:
        The image; its names are the reference's name with its tag and without. None if the text is neither.
    """
    name, _, digest = reference.rpartition("@")
    if not is_digest(digest) or any(character.isspace() for character in reference):
        return None
    return Image(digest, names_of(name))


def names_of(*names: object) -> tuple[str, ...]:
    """List what an image can be called: each name as it is, and without its tag. None has ``docker://``."""
    found: list[str] = []
    for each in names:
        if not isinstance(each, str):
            continue
        name = without_transport(each)
        found += [text for text in (name, without_tag(name)) if text]
    return tuple(dict.fromkeys(found))


def without_transport(name: str) -> str:
    """Return a name as a registry knows it: without a transport, and without credentials, which are not to be shown."""
    name = _TRANSPORT.sub("", name)
    host, slash, path = name.partition("/")
    return f"{host.rpartition('@')[2]}/{path}" if slash else name


def without_tag(name: str) -> str:
    """Return a name without its tag. A colon before a slash is that of a port."""
    repository, colon, tag = name.rpartition(":")
    return repository if colon and "/" not in tag else name


def tagged_names(repository: object, tags: object) -> tuple[str, ...]:
    """List the names of an image with tags in a repository: the repository, it with each tag, and each tag."""
    listed = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list | tuple) else []
    if not isinstance(repository, str) or not repository:
        return tuple(dict.fromkeys(listed))
    untagged = without_tag(repository)
    return tuple(dict.fromkeys((*names_of(repository), *(f"{untagged}:{tag}" for tag in listed), *listed)))
