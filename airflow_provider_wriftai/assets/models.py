"""Assets of models: ``model_asset`` to publish to, ``watched_model`` to start DAGs for all versions of a model.

Airflow gives an asset the watchers that it has in the DAG file that was parsed last. If a file mentions an asset
without its watchers, or with other ones, the watchers of all files are gone until the next file is parsed. So an asset
that is published to never has watchers, and the identity of an asset that is watched is made of everything that
determines its trigger: two mentions of a watched model are either equal, watchers included, or different assets.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from airflow_provider_wriftai._airflow.compat import HAS_WATCHERS, Asset
from airflow_provider_wriftai._airflow.connection import DEFAULT_CONNECTION_ID

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from openlineage.client.event_v2 import Dataset

WATCHER_NAME = "published"
_HASH_LENGTH = 16


def model_asset(model: str, *, wriftai_conn_id: str = DEFAULT_CONNECTION_ID) -> Asset:
    """Return the asset of a model, as an outlet of the tasks that publish to it.

    DAGs that are scheduled on it run when a task with this outlet has published. To start a DAG for the versions that
    others publish too, use :func:`watched_model`.

    Args:
        model: ``owner/name``.
        wriftai_conn_id: The Airflow connection. A model of another service is another asset.

    Returns:
        The asset ``wriftai://owner/name``, with ``?connection=…`` unless it is the default connection. (On Airflow 2,
        the dataset.)

    Raises:
        InvalidReferenceError: The model is not ``owner/name``.
        InvalidParameterError: The model or the id of the connection is not text, or empty.
    """
    from airflow_provider_wriftai._airflow.parameters import parse_model, parse_static
    from airflow_provider_wriftai.domain.dataset_names import model_uri

    connection_id = parse_static("wriftai_conn_id", wriftai_conn_id)
    return Asset(model_uri(parse_model("model", model), **_connection_query(connection_id)))


def watched_model(
    model: str,
    *,
    release_notes: str | None = None,
    newer_than: str | int | datetime | None = None,
    poll_interval: float | timedelta = 60.0,
    seconds_between_events: float | timedelta = 5.0,
    wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
) -> Asset:
    """Return an asset with an event for each version of a model that anybody publishes (Airflow 3).

    Call it wherever the asset is needed, in one DAG file or in many: equal arguments make the same asset, and other
    arguments make another one. The asset has its watcher already; do not add others.

    Args:
        model: ``owner/name``.
        release_notes: A regular expression. Only versions whose release notes match it make events.
        newer_than: Where the events begin when the asset is new, and before Airflow 3.3 whenever the triggerer starts:
            a version's reference or number, or a time with its time zone. By default, with versions published from then
            on.
        poll_interval: Seconds between two polls.
        seconds_between_events: The least number of seconds between two events. An event that is stored before Airflow's
            scheduler has handled the previous one starts no run of its own.
        wriftai_conn_id: The Airflow connection.

    Returns:
        The asset ``wriftai://owner/name?watch=…``. The value is a hash of all arguments; ``extra`` spells them out.

    Raises:
        InvalidReferenceError: The model is not ``owner/name``.
        InvalidPatternError: ``release_notes`` is not a regular expression.
        InvalidCriteriaError: ``newer_than`` is invalid.
        InvalidParameterError: Another argument is invalid.
        NotImplementedError: This is Airflow 2, which does not start DAGs on events from outside.
    """
    if not HAS_WATCHERS:
        raise NotImplementedError("Watching a model requires Airflow 3.0. Wait with WriftAIVersionSensor instead.")
    from airflow_provider_wriftai._airflow.compat import AssetWatcher
    from airflow_provider_wriftai.client.references import ModelReference
    from airflow_provider_wriftai.domain.dataset_names import model_uri
    from airflow_provider_wriftai.triggers.published import WriftAIVersionPublishedTrigger

    trigger = WriftAIVersionPublishedTrigger(
        model=model,
        release_notes=release_notes,
        newer_than=newer_than,
        poll_interval=poll_interval,
        seconds_between_events=seconds_between_events,
        wriftai_conn_id=wriftai_conn_id,
    )
    # Without the defaults: a parameter that a later release adds must not make other assets of those that exist.
    defaults = WriftAIVersionPublishedTrigger(model=model).serialize()[1]
    arguments = {
        name: value for name, value in trigger.serialize()[1].items() if name == "model" or value != defaults[name]
    }
    digest = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()[:_HASH_LENGTH]
    uri = model_uri(ModelReference.parse(model), **_connection_query(wriftai_conn_id), watch=digest)
    return Asset(name=uri, uri=uri, extra=arguments, watchers=[AssetWatcher(WATCHER_NAME, trigger)])


def _connection_query(wriftai_conn_id: str) -> dict[str, str]:
    return {} if wriftai_conn_id == DEFAULT_CONNECTION_ID else {"connection": wriftai_conn_id}


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset | None:
    """Convert the asset of a model to a dataset of OpenLineage, where Airflow's provider for OpenLineage is installed.

    Args:
        asset: The asset of a model, watched or not.
        lineage_context: Airflow's context; not used.

    Returns:
        The dataset ``owner/name`` in the namespace of the service that the asset's connection leads to, such as
        ``wriftai://api.wrift.ai``. If the connection cannot be read, the namespace is ``wriftai``.
    """
    from openlineage.client.event_v2 import Dataset

    from airflow_provider_wriftai.domain.dataset_names import connection_of_uri, model_of_uri

    model = model_of_uri(asset.uri)
    if model is None:
        return None
    return Dataset(namespace=_namespace_of(connection_of_uri(asset.uri) or DEFAULT_CONNECTION_ID), name=str(model))


def _namespace_of(wriftai_conn_id: str) -> str:
    from airflow_provider_wriftai.domain.dataset_names import SCHEME, service_namespace
    from airflow_provider_wriftai.hooks.wriftai import WriftAIHook

    try:
        with WriftAIHook(wriftai_conn_id).get_conn() as api:
            return service_namespace(api.base_url)
    except Exception:  # noqa: BLE001 - lineage is not worth a task, and a missing connection fails the task itself
        return SCHEME
