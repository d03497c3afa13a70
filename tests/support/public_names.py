"""Find the public names of the package by importing all its modules."""

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

_PUBLIC_PACKAGES = ("assets", "hooks", "links", "operators", "sensors", "triggers")
_MAY_BE_MISSING = ("airflow", "openlineage")  # modules that only newer Airflows have, and an optional provider
_INTERNAL_ERRORS = ("ConnectionChangedError", "ServiceChangedError")  # a wait continues after them
_BASES = (BaseHook, BaseOperator, BaseOperatorLink, BaseTrigger)


def modules(package: str) -> Iterator[ModuleType]:
    """Import every module of a package, except modules whose dependencies are not installed.

    Args:
        package: The name below ``airflow_provider_wriftai``, or an empty string for that package itself.
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


def _defined_in(module: ModuleType) -> dict[str, Any]:
    """Return the public classes and functions that a module defines."""
    return {
        f"{module.__name__}.{name}": value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }


def dag_api() -> dict[str, Any]:
    """Return the operators, sensors, triggers, hooks, links, and functions for assets, by their full names.

    They include everything that the provider info lists.
    """
    found = {
        name: value
        for package in _PUBLIC_PACKAGES
        for module in modules(package)
        for name, value in _defined_in(module).items()
        if (inspect.isclass(value) and issubclass(value, _BASES)) or (package == "assets" and inspect.isfunction(value))
    }
    assert _listed_in_provider_info() <= found.keys()
    return found


def _listed_in_provider_info() -> set[str]:
    info = get_provider_info()
    listed = {
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
                classes = _defined_in(importlib.import_module(module))
                listed |= {name for name, cls in classes.items() if inspect.isclass(cls) and issubclass(cls, _BASES)}
    return listed


def errors() -> set[type[WriftAIError]]:
    """Return every error class that users can see."""
    assert list(modules(""))  # imports all of them

    def tree(cls: type[WriftAIError]) -> set[type[WriftAIError]]:
        return {cls}.union(*(tree(child) for child in cls.__subclasses__()))

    return {
        cls
        for cls in tree(WriftAIError)
        if cls.__module__.startswith(airflow_provider_wriftai.__name__) and cls.__name__ not in _INTERNAL_ERRORS
    }


def public_members(cls: type) -> set[str]:
    """Return the names of the public methods that a class defines itself."""
    return {name for name, value in vars(cls).items() if not name.startswith("_") and callable(value)}
