"""The text output of a build: lines, JSON, lines of JSON, TOML."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence

from airflow_provider_wriftai.client.text import truncated_repr
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Entry, Image, parse_image
from airflow_provider_wriftai.domain.images.inspected import NOT_PUSHED
from airflow_provider_wriftai.domain.images.metadata import read_metadata
from airflow_provider_wriftai.domain.images.push_output import read_messages, read_push_lines
from airflow_provider_wriftai.domain.object_text import BYTE_ORDER_MARK, UnreadableObjectError, parse_value

_IMAGE_TABLE = re.compile(r"^\s*\[image\]\s*$", re.MULTILINE)


def read_text(text: str, subject: str) -> list[Entry] | None:
    """Find the images in text.

    Args:
        text: The text.
        subject: How messages name the source, at the start of a sentence.

    Returns:
        The images; None if no build writes such text.

    Raises:
        InvalidImageError: It is JSON that is broken or names no image.
    """
    text = text.removeprefix(BYTE_ORDER_MARK).strip()
    if _IMAGE_TABLE.search(text):
        return _read_toml(text, subject)
    if text.startswith("[") and (printed := _read_go_list(text)):
        return printed
    if text.startswith(("{", "[", '"')):
        return read_value(_parse(text, subject), subject)
    return _read_lines(text)


def read_value(value: object, subject: str) -> list[Entry]:
    """Find the images in metadata, in a list of it, or in text.

    Raises:
        InvalidImageError: There are none.
    """
    if isinstance(value, Mapping):
        return read_metadata(value, subject)
    if isinstance(value, str):
        if entries := _read_lines(value):
            return entries
        raise InvalidImageError(f"{subject} is a JSON string and not a digest.")
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return _read_list(list(value), subject)
    raise InvalidImageError(f"{subject} must be the metadata of a build; got {type(value).__name__}.")


def _parse(text: str, subject: str) -> object:
    try:
        return parse_value(text)
    except UnreadableObjectError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1:
            try:
                return [json.loads(line) for line in lines]
            except (ValueError, RecursionError):
                pass
        raise InvalidImageError(f"{subject} looks like JSON, but {error}.") from error


def _read_list(items: list[object], subject: str) -> list[Entry]:
    if not items:
        raise InvalidImageError(f"{subject} is an empty list. If it is docker's RepoDigests, {NOT_PUSHED}.")
    mappings = [each for each in items if isinstance(each, Mapping)]
    if len(mappings) == len(items):
        messages = read_messages(mappings, subject)
        if messages is not None:
            return messages
        return [entry for each in mappings for entry in read_metadata(each, subject)]
    found: list[Entry] = []
    for each in items:
        entries = _read_lines(each) if isinstance(each, str) else None
        if entries is None:
            raise InvalidImageError(
                f"{subject} is a list with an entry of type {type(each).__name__}, which names no image."
            )
        found += entries
    return found


def _read_toml(text: str, subject: str) -> list[Entry]:
    try:
        metadata = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidImageError(f"{subject} looks like TOML but is not: {truncated_repr(str(error))}.") from error
    return read_metadata(metadata, subject)


def _read_go_list(text: str) -> list[Entry] | None:
    """Read ``[name@sha256:… name@sha256:…]``, as docker prints a list without ``json``."""
    images = [parse_image(each) for each in text.removeprefix("[").removesuffix("]").split()]
    return None if None in images else [each for each in images if each is not None]


def _read_lines(text: str) -> list[Entry] | None:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if pushed := read_push_lines(lines):
        return list(pushed)
    images = [_read_line(line) for line in lines]
    return None if not images or None in images else [each for each in images if each is not None]


def _read_line(line: str) -> Image | None:
    first, _, rest = line.partition(" ")
    image = parse_image(first)
    if image is None or not rest:
        return image
    # skopeo sync writes the digest before the reference.
    named = parse_image(f"{rest.strip()}@{first}")
    return named if named is not None and "@" not in first else None
