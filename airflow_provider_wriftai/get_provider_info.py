"""Describe this package to Airflow, which discovers providers by their entry points."""

from __future__ import annotations

from importlib.metadata import metadata
from typing import Any

from airflow_provider_wriftai._airflow.connection import (
    CONNECTION_NAME,
    CONNECTION_TYPE,
    EXTRA_FIELDS,
    UI_FIELD_BEHAVIOUR,
)

_DISTRIBUTION = "airflow-provider-wriftai"
_PACKAGE = "airflow_provider_wriftai"
_GUIDES = ("connection", "publish", "wait", "event-driven", "prune")


def get_provider_info() -> dict[str, Any]:
    """Describe the provider: the entry point ``apache_airflow_provider``."""
    about = metadata(_DISTRIBUTION)
    return {
        "package-name": about["Name"],
        "name": CONNECTION_NAME,
        "description": about["Summary"],
        "versions": [about["Version"]],
        "integrations": [
            {
                "integration-name": CONNECTION_NAME,
                "external-doc-url": "https://wrift.ai",
                # Paths in the source distribution and the repository.
                "how-to-guide": [f"/docs/{guide}.md" for guide in _GUIDES],
                "tags": ["ai", "machine-learning", "service"],
            }
        ],
        "hooks": [{"integration-name": CONNECTION_NAME, "python-modules": [f"{_PACKAGE}.hooks.wriftai"]}],
        "operators": [
            {
                "integration-name": CONNECTION_NAME,
                "python-modules": [
                    f"{_PACKAGE}.operators.cleanup",
                    f"{_PACKAGE}.operators.models",
                    f"{_PACKAGE}.operators.versions",
                ],
            }
        ],
        "sensors": [{"integration-name": CONNECTION_NAME, "python-modules": [f"{_PACKAGE}.sensors.versions"]}],
        "triggers": [
            {
                "integration-name": CONNECTION_NAME,
                "python-modules": [f"{_PACKAGE}.triggers.published", f"{_PACKAGE}.triggers.versions"],
            }
        ],
        "extra-links": [f"{_PACKAGE}.links.versions.WriftAIVersionLink"],
        "asset-uris": [
            {
                "schemes": ["wriftai"],
                "handler": None,
                "to_openlineage_converter": f"{_PACKAGE}.assets.models.convert_asset_to_openlineage",
            }
        ],
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-class-name": f"{_PACKAGE}.hooks.wriftai.WriftAIHook",
                "hook-name": CONNECTION_NAME,
                "ui-field-behaviour": dict(UI_FIELD_BEHAVIOUR),
                "conn-fields": {name: dict(field) for name, field in EXTRA_FIELDS.items()},
            }
        ],
    }
