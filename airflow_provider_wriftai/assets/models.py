"""The asset of a model: ``wriftai://owner/name``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_wriftai._airflow.compat import Asset

if TYPE_CHECKING:
    from airflow.sdk import AssetWatcher
    from openlineage.client.event_v2 import Dataset

SCHEME = "wriftai"


def model_asset(model: str, watchers: Sequence[AssetWatcher] = ()) -> Asset:
    """Make the asset of a model, which stands for its versions.

    Publishing with this provider emits an event on it, whose extra holds the version's ``reference`` and
    ``container_image_digest``. DAGs can be scheduled on it.

    Args:
        model: ``owner/name``.
        watchers: Airflow's ``AssetWatcher`` (Airflow 3), with a trigger such as ``WriftAIVersionPublishedTrigger``.

    Returns:
        The asset (before Airflow 3: the dataset).

    Raises:
        InvalidReferenceError: The model is not named so.
    """
    from airflow_provider_wriftai.client.references import ModelReference

    more: dict[str, Any] = {"watchers": list(watchers)} if watchers else {}
    return Asset(f"{SCHEME}://{ModelReference.parse(model)}", **more)


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:
    """Convert the asset of a model to what OpenLineage is told of it, where Airflow's provider for that is installed.

    Args:
        asset: The asset ``wriftai://owner/name``.
        lineage_context: Who uses it.

    Returns:
        The dataset ``owner/name`` of the namespace ``wriftai``.
    """
    from openlineage.client.event_v2 import Dataset

    parts = urlsplit(asset.uri)
    return Dataset(namespace=SCHEME, name=f"{parts.netloc}{parts.path}")
