"""Read the version from an asset event, whoever published it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict, cast

Outcome = Literal["created", "adopted", "reused", "remembered", "published"]
"""How the version of an event came about.

``created``: The task created it. ``adopted``: The task created it with a request that had no clear outcome.
``reused``: The image had the version already. ``remembered``: An earlier try of the task had published it.
``published``: A watcher found it; it does not know who published it.
"""


class PublishedVersion(TypedDict):
    """The version of an asset event.

    Attributes:
        model: ``owner/name``.
        reference: The reference of the version, as tasks and requests take it.
        outcome: How it came about.
        number: Its number within the model (generation 2 of the API).
        id: Its id (generation 1 of the API).
        release_notes: Its release notes.
        created_at: When it was created, as an ISO 8601 time.
        container_image_digest: The digest of its image, if the service reports it.
        size: The size of its image in bytes, if the service reports it.
    """

    model: str
    reference: str
    outcome: Outcome
    number: NotRequired[int]
    id: NotRequired[str]
    release_notes: NotRequired[str]
    created_at: NotRequired[str]
    container_image_digest: NotRequired[str]
    size: NotRequired[int]


_FIELDS = tuple(PublishedVersion.__annotations__)


def version_of(event: object) -> PublishedVersion:
    """Return the version that an asset event is about.

    It reads the events of a watched model and of a publishing task's outlet alike::

        for event in triggering_asset_events[watched_model("acme/detector")]:
            version = version_of(event)

    Args:
        event: An event of ``triggering_asset_events`` (on Airflow 2, of ``triggering_dataset_events``).

    Raises:
        ValueError: The event is not about a version. Somebody may have created it in the UI or through the REST API.
    """
    extra = getattr(event, "extra", None)
    fields = extra.get("payload", extra) if isinstance(extra, Mapping) else None
    if not isinstance(fields, Mapping) or not isinstance(fields.get("reference"), str):
        from airflow_provider_wriftai.client.text import truncated_repr

        raise ValueError(  # noqa: TRY004 - a value of the wrong content, whatever its type
            f"The asset event is not about a version of a WriftAI model: its extra is {truncated_repr(extra)}. "
            "Was it created by hand?"
        )
    version = {name: fields[name] for name in _FIELDS if fields.get(name) is not None}
    version.setdefault("model", _model_of(event) or fields["reference"].rpartition(":")[0])
    version.setdefault("outcome", "published")
    return cast("PublishedVersion", version)


def _model_of(event: object) -> str | None:
    from airflow_provider_wriftai.domain.dataset_names import model_of_uri

    uri = getattr(getattr(event, "asset", None), "uri", None)
    model = model_of_uri(uri) if isinstance(uri, str) else None
    return None if model is None else str(model)
