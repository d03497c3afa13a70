"""What the events of a task's outlets say about the version that the task published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_wriftai._airflow.compat import AssetAlias
from airflow_provider_wriftai.domain.dataset_names import model_of_uri
from airflow_provider_wriftai.domain.results import version_result

if TYPE_CHECKING:
    from airflow_provider_wriftai._airflow.compat import Asset
    from airflow_provider_wriftai.domain.publishing.outcome import PublishResult


def describe_publish(
    context: Mapping[str, Any],
    outlets: Iterable[object],
    model: str,
    result: PublishResult,
    make_asset: Callable[[], Asset],
) -> None:
    """Let the events of the model's outlets say which version was published, and how it came about.

    The event of an asset comes whatever the outcome is, and contains it. An alias gets an event only for a new version.
    The fields are those of a watcher's events: ``assets.events.PublishedVersion``.

    Args:
        context: The context of the task.
        outlets: The outlets that the user gave the task.
        model: ``owner/name``.
        result: What came of the publish.
        make_asset: Returns the asset of the model, for the event of an alias.
    """
    events = context.get("outlet_events")
    if events is None:
        return
    extra = version_result(result.version, model=model, outcome=str(result.outcome))
    for outlet in outlets:
        uri = getattr(outlet, "uri", None)
        if isinstance(uri, str) and str(model_of_uri(uri)) == model:
            events[outlet].extra = dict(extra)
        elif isinstance(outlet, AssetAlias) and result.outcome.is_new:
            events[outlet].add(make_asset(), extra=dict(extra))
