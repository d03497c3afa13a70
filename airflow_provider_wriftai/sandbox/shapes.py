"""The shapes in which the service has shown versions over time.

The service changed how it names and shows versions several times. Each shape is named by the first release of the
official client that speaks it, so ``0.24`` is what the clients 0.24 to 0.26 expect. All shapes are views of the same
data: a version that is created in one can be read in any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from airflow_provider_wriftai.sandbox.store import StoredVersion

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of the API.

    Attributes:
        name: The first release of the official client that speaks it.
        version_key: Whether a version is named by an opaque ``id`` or by its ``number`` within the model.
        page_urls: Whether a page has the URLs of its neighbors as well as their cursors.
        digest_in_lists: Whether list items have ``container_image_digest``.
        compatibilities: Whether the compatibility flags are missing, ``flat`` fields of the version, or ``nested``
            in an object.
        configuration: Whether a version has a configuration.
        size: Whether a version has the size of its image.
    """

    name: str
    version_key: Literal["id", "number"] = "number"
    page_urls: bool = True
    digest_in_lists: bool = True
    compatibilities: Literal["flat", "nested"] | None = None
    configuration: bool = False
    size: bool = False

    def item(self, version: StoredVersion) -> Json:
        """Show a version in a list."""
        if self.version_key == "id":
            return self.details(version)
        digest = {"container_image_digest": version.container_image_digest} if self.digest_in_lists else {}
        return self._summary(version) | digest

    def details(self, version: StoredVersion) -> Json:
        """Show a version by itself."""
        shown = self._summary(version) | {
            "schemas": version.schemas,
            "container_image_digest": version.container_image_digest,
        }
        if self.compatibilities == "flat":
            shown |= version.compatibilities
        elif self.compatibilities == "nested":
            shown["compatibilities"] = version.compatibilities
        if self.size:
            shown["size"] = version.size
        return shown

    def created(self, version: StoredVersion) -> Json:
        """Show a version that was just created."""
        configuration = {"configuration": version.configuration} if self.configuration else {}
        return self.details(version) | configuration

    def _summary(self, version: StoredVersion) -> Json:
        return {
            self.version_key: version.id if self.version_key == "id" else version.number,
            "release_notes": version.release_notes,
            "created_at": version.created_at,
        }


_FLAT = Shape("0.24", compatibilities="flat")
_CONFIGURED = Shape("0.31", page_urls=False, compatibilities="nested", configuration=True)

SHAPES = (
    Shape("0.1", version_key="id"),
    Shape("0.14"),
    _FLAT,
    replace(_FLAT, name="0.27", compatibilities="nested"),
    _CONFIGURED,
    replace(_CONFIGURED, name="0.33", digest_in_lists=False, size=True),
)
"""All shapes, oldest first."""

GENERATION_1, GENERATION_2 = SHAPES[0], SHAPES[-1]


def shape_of(client_version: str) -> Shape:
    """Find the shape that a release of the official client speaks.

    Args:
        client_version: The release, for example ``0.24`` or ``0.26.0``.

    Raises:
        ValueError: The text is not a release number, or older than the oldest shape.
    """
    release = _release(client_version)
    shape = next((each for each in reversed(SHAPES) if _release(each.name) <= release), None)
    if shape is None:
        raise ValueError(f"{client_version!r} is older than {SHAPES[0].name}, the oldest known release")
    return shape


def _release(text: str) -> tuple[int, ...]:
    parts = text.split(".")
    if len(parts) not in (2, 3) or not all(part.isascii() and part.isdecimal() and len(part) < 5 for part in parts):
        raise ValueError(f"{text!r} is not a release of the official client, such as 0.24 or 0.26.0")
    return tuple(int(part) for part in parts[:2])
