"""What the package offers to its users, found by walking it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from airflow.triggers.base import BaseTrigger

import airflow_provider_wriftai
from airflow_provider_wriftai._airflow.compat import BaseHook, BaseOperator, BaseOperatorLink
from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.get_provider_info import get_provider_info

_ROOMS = ("assets", "hooks", "links", "operators", "sensors", "triggers")
_MAY_BE_MISSING = ("airflow", "openlineage")  # what only newer Airflows have, and an optional provider
_INTERNAL_ERRORS = ("ConnectionChangedError", "ServiceChangedError")  # a wait goes on after them
_BASES = (BaseHook, BaseOperator, BaseOperatorLink, BaseTrigger)


def modules(package: str) -> Iterator[ModuleType]:
    """Import every module of a package, but for those that are about what is not installed.

    Args:
        package: Its name below ``airflow_provider_wriftai``; empty for that itself.
    """
    name = f"{airflow_provider_wriftai.__name__}.{package}".rstrip(".")
    for found in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
        if found.name.endswith(".__main__"):
            continue
        try:
            yield importlib.import_module(found.name)
        except ModuleNotFoundError as missing:
            if (missing.name or "").partition(".")[0] not in _MAY_BE_MISSING:
                raise


def _own(module: ModuleType) -> dict[str, Any]:
    """List the public classes and functions that a module defines."""
    return {
        f"{module.__name__}.{name}": value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }


def offered_to_dags() -> dict[str, Any]:
    """List operators, sensors, triggers, hooks, links and the functions for assets, by their full names.

    They are what the package has, and what it tells Airflow of; the one has to be among the other.
    """
    found = {
        name: value
        for room in _ROOMS
        for module in modules(room)
        for name, value in _own(module).items()
        if (inspect.isclass(value) and issubclass(value, _BASES)) or (room == "assets" and inspect.isfunction(value))
    }
    assert _told_to_airflow() <= found.keys()
    return found


def _told_to_airflow() -> set[str]:
    info = get_provider_info()
    named = {
        *info["extra-links"],
        *(each["hook-class-name"] for each in info["connection-types"]),
        *(
            value
            for each in info["asset-uris"]
            for key, value in each.items()
            if key != "schemes" and isinstance(value, str)
        ),
    }
    for kind in ("hooks", "operators", "sensors", "triggers"):
        for entry in info[kind]:
            for module in entry["python-modules"]:
                classes = _own(importlib.import_module(module))
                named |= {name for name, cls in classes.items() if inspect.isclass(cls) and issubclass(cls, _BASES)}
    return named


def errors() -> set[type[WriftAIError]]:
    """List every error that users can see."""
    assert list(modules(""))  # so that all are there

    def tree(cls: type[WriftAIError]) -> set[type[WriftAIError]]:
        return {cls}.union(*(tree(child) for child in cls.__subclasses__()))

    return {
        cls
        for cls in tree(WriftAIError)
        if cls.__module__.startswith(airflow_provider_wriftai.__name__) and cls.__name__ not in _INTERNAL_ERRORS
    }


def public_members(cls: type) -> set[str]:
    """List the public methods and properties that a class defines itself."""
    return {name for name, value in vars(cls).items() if not name.startswith("_") and callable(value)}
