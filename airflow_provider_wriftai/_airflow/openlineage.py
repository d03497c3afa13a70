"""Describe models and images as datasets of OpenLineage. Imported only if Airflow's provider for it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    dataset_version_dataset,
    documentation_dataset,
    lifecycle_state_change_dataset,
)

from airflow_provider_wriftai.domain.dataset_names import service_namespace

if TYPE_CHECKING:
    from airflow_provider_wriftai.domain.images.image import Image
    from airflow_provider_wriftai.domain.publishing.outcome import PublishResult
    from airflow_provider_wriftai.domain.retention.report import PruneReport

_IMAGES = "oci"
_Change = lifecycle_state_change_dataset.LifecycleStateChange


def lineage_of_publish(result: PublishResult, image: Image, model: str, base_url: str) -> OperatorLineage[Any, Any]:
    """Describe which image became which version.

    Args:
        result: The version, and how it came about.
        image: The image.
        model: ``owner/name``.
        base_url: The base URL of the service.

    Returns:
        The image as the input: ``oci://registry`` / repository if the build names them, else ``oci`` / digest; its
        version is the digest. The model as the output, in the namespace of the service; its version is the reference of
        what was published, its documentation the release notes.
    """
    version = result.version
    facets: dict[str, DatasetFacet] = {
        "version": _version(str(version.reference)),
        "documentation": documentation_dataset.DocumentationDatasetFacet(description=version.release_notes or ""),
    }
    if result.outcome.is_new:
        facets["lifecycleStateChange"] = _change(_Change.CREATE)
    return OperatorLineage(inputs=[_dataset_of_image(image)], outputs=[_dataset_of_model(model, base_url, facets)])


def lineage_of_delete(model: str, base_url: str) -> OperatorLineage[Any, Any]:
    """Describe that a version of a model was deleted: the model as an output that was altered.

    Args:
        model: ``owner/name``.
        base_url: The base URL of the service.
    """
    facets = {"lifecycleStateChange": _change(_Change.ALTER)}
    return OperatorLineage(outputs=[_dataset_of_model(model, base_url, facets)])


@attrs.define
class PruneRunFacet(RunFacet):
    """Which versions a prune deleted.

    Attributes:
        deleted: The references of the versions; of many, those in the task's report.
        deletedCount: How many versions were deleted.
        alreadyGoneCount: How many had been deleted before.
        interruptedCount: How many have an unknown outcome, because the task was stopped.
        failedCount: How many could not be deleted.
    """

    deleted: list[str]
    deletedCount: int  # noqa: N815 - OpenLineage's style
    alreadyGoneCount: int  # noqa: N815
    interruptedCount: int  # noqa: N815
    failedCount: int  # noqa: N815


def lineage_of_prune(report: PruneReport, base_url: str) -> OperatorLineage[Any, Any]:
    """Describe which versions of a model were deleted.

    Args:
        report: What the prune did.

    Returns:
        The model as an output that was altered, and the run facet ``wriftai_prune``; nothing if no delete was sent.
    """
    if not report["deleted_count"] and not report["interrupted_count"]:
        return OperatorLineage()
    facet = PruneRunFacet(
        deleted=report["deleted"],
        deletedCount=report["deleted_count"],
        alreadyGoneCount=report["already_gone_count"],
        interruptedCount=report["interrupted_count"],
        failedCount=report["failed_count"],
    )
    model = _dataset_of_model(report["model"], base_url, {"lifecycleStateChange": _change(_Change.ALTER)})
    return OperatorLineage(outputs=[model], run_facets={"wriftai_prune": facet})


def no_lineage() -> OperatorLineage[Any, Any]:
    """Return the lineage of a task that has done nothing."""
    return OperatorLineage()


def _dataset_of_model(model: str, base_url: str, facets: dict[str, DatasetFacet]) -> OutputDataset:
    return OutputDataset(namespace=service_namespace(base_url), name=model, facets=facets)


def _dataset_of_image(image: Image) -> InputDataset:
    places = (place for each in reversed(image.names) if (place := _place(each)))
    namespace, name = next(places, (_IMAGES, image.digest))
    return InputDataset(namespace=namespace, name=name, facets={"version": _version(image.digest)})


def _place(name: str) -> tuple[str, str] | None:
    """Split a name into registry and repository; None for names without a registry, such as those of platforms."""
    registry, _, repository = name.partition("/")
    is_registry = "." in registry or ":" in registry or registry == "localhost"
    return (f"{_IMAGES}://{registry}", repository) if repository and is_registry else None


def _version(version: str) -> DatasetFacet:
    return dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=version)


def _change(change: lifecycle_state_change_dataset.LifecycleStateChange) -> DatasetFacet:
    return lifecycle_state_change_dataset.LifecycleStateChangeDatasetFacet(lifecycleStateChange=change)
