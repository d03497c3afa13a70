"""Change the configuration of a version, and only if it differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airflow_provider_wriftai.client.common_types import UpdateVersionConfigurationParams, VersionConfiguration
from airflow_provider_wriftai.client.endpoints import get_configuration, update_configuration
from airflow_provider_wriftai.client.references import VersionReference
from airflow_provider_wriftai.domain.errors import TaskStoppedError
from airflow_provider_wriftai.domain.sansio import Operations


@dataclass(frozen=True, slots=True)
class ConfigurationUpdate:
    """The configuration of a version.

    Attributes:
        hardware_identifier: The hardware that the version runs on.
        variable_names: The names of the variables that the version reads.
        changed: Whether it was changed.
    """

    hardware_identifier: str
    variable_names: tuple[str, ...]
    changed: bool


def update(
    reference: VersionReference,
    hardware_identifier: str | None,
    variable_names: Sequence[str] | None,
    *,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Operations[ConfigurationUpdate]:
    """Change the configuration of a version.

    Args:
        reference: The version.
        hardware_identifier: The hardware that it runs on; None for no change.
        variable_names: The names of the variables that it reads; None for no change.
        is_stopped: Returns whether the task was stopped. Checked right before the change.

    Raises:
        TaskStoppedError: The task was stopped before the change.
        WriftAIError: What the client raises.
    """
    wanted = UpdateVersionConfigurationParams()
    if hardware_identifier is not None:
        wanted["hardware_identifier"] = hardware_identifier
    if variable_names is not None:
        wanted["variable_names"] = list(variable_names)
    found: VersionConfiguration = yield get_configuration(reference)
    changed = any(found.get(key) != value for key, value in wanted.items())
    if changed:
        if is_stopped():
            raise TaskStoppedError.while_changing(f"updating the configuration of {reference}")
        found = yield update_configuration(reference, {**wanted})
    return ConfigurationUpdate(found["hardware_identifier"], tuple(found["variable_names"]), changed)
