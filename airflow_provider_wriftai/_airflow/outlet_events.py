"""Add the version that a task published to the events of its outlets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_wriftai._airflow.compat import AssetAlias
from airflow_provider_wriftai.domain.dataset_names import connection_of_uri, model_of_uri
from airflow_provider_wriftai.domain.results import version_result

if TYPE_CHECKING:
    from airflow_provider_wriftai._airflow.compat import Asset
    from airflow_provider_wriftai.domain.publishing.outcome import PublishResult

log = logging.getLogger(__name__)


def describe_publish(
    context: Mapping[str, Any],
    outlets: Iterable[object],
    model: str,
    result: PublishResult,
    make_asset: Callable[[], Asset],
) -> None:
    """Add the published version, and how it came about, to the events of the model's outlets.

    An asset gets an event for every outcome, and the event contains the outcome. An alias gets an event only for a new
    version. The asset of another connection stands for a model of another service, so its event has no version.
    The fields are those of a watcher's events: ``assets.events.PublishedVersion``.

    Args:
        context: The context of the task.
        outlets: The outlets that the user gave the task.
        model: ``owner/name``.
        result: The version, and how it came about.
        make_asset: Returns the asset of the model on the connection of the task.
    """
    events = context.get("outlet_events")
    if events is None:
        return
    extra = version_result(result.version, model=model, outcome=str(result.outcome))
    for outlet in outlets:
        uri = getattr(outlet, "uri", None)
        if isinstance(uri, str) and str(model_of_uri(uri)).lower() == model.lower():
            if connection_of_uri(uri) == connection_of_uri(make_asset().uri):
                events[outlet].extra = dict(extra)
            else:
                log.warning("The outlet %s is of another connection. Its event does not contain the version.", uri)
        elif isinstance(outlet, AssetAlias) and result.outcome.is_new:
            events[outlet].add(make_asset(), extra=dict(extra))
