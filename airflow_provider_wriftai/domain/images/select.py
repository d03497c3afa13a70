"""Choose one image where a build made several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.empty_values import explain_empty
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Entry, Image, Part, UnusableEntry, label, without_transport

_MOST_LISTED = 10


def select_image(entries: Iterable[Entry], selector: str | None, subject: str) -> Image:
    """Choose the one image that is meant.

    Args:
        entries: What the build's output holds; the same digest may come more than once.
        selector: A name, a platform or the digest of the image; None where there is only one.
        subject: How messages name the source, at the start of a sentence.

    Returns:
        The image, with all the names under which it is listed.

    Raises:
        InvalidImageError: There is none, or more than one, or none of that name.
    """
    entries = list(entries)
    images = [each for each in entries if isinstance(each, Image)]
    parts = [each.image for each in entries if isinstance(each, Part)]
    unusable = [each for each in entries if isinstance(each, UnusableEntry)]
    if selector is None:
        return _only_one(images, unusable, subject)
    if not isinstance(selector, str):
        raise InvalidImageError(f"image_selector must be a string; got {truncated_repr(selector)}.")
    name = without_transport(selector)
    for candidates in (images, parts):
        if chosen := [each for each in candidates if name in (each.digest, *each.names)]:
            return _merge(chosen, f"{subject} has more than one image named {truncated_repr(selector)}")
    for each in unusable:
        if name in each.names:
            raise InvalidImageError(each.reason)
    listed = _format_images([*images, *parts], unusable)
    raise InvalidImageError(
        f"{subject} has no image named {truncated_repr(selector)}. It has {listed}.{explain_empty(selector)}"
    )


def _only_one(images: Sequence[Image], unusable: Sequence[UnusableEntry], subject: str) -> Image:
    others = [each for each in unusable if each.is_image]
    if not images:
        if unusable:
            raise InvalidImageError((others or unusable)[0].reason)
        raise InvalidImageError(f"{subject} names no image.")
    if others:
        listed = _format_images(images, others)
        raise InvalidImageError(
            f"{subject} has more than one image; choose one with image_selector. It has {listed}. {others[0].reason}"
        )
    return _merge(images, f"{subject} has more than one image; choose one with image_selector")


def _merge(images: Sequence[Image], problem: str) -> Image:
    if len({each.digest for each in images}) > 1:
        raise InvalidImageError(f"{problem}. It has {_format_images(images, ())}.")
    names = dict.fromkeys(name for each in images for name in each.names)
    warnings = dict.fromkeys(warning for each in images for warning in each.warnings)
    return Image(images[0].digest, tuple(names), tuple(warnings))


def _format_images(images: Sequence[Image], unusable: Sequence[UnusableEntry]) -> str:
    listed = [str(each) for each in images]
    listed += [label("", each.names) for each in unusable if each.is_image and each.names]
    listed = list(dict.fromkeys(listed))
    return "; ".join(listed[:_MOST_LISTED]) + ("; …" if len(listed) > _MOST_LISTED else "") if listed else "none"
