"""Packages that load their public names when they are first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any


def load_on_use(package: str, modules: Sequence[str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package whose ``__all__`` names what its modules define.

    A DAG file that imports one name does not load the modules that come after it, nor what they need.

    Args:
        package: The package's ``__name__``.
        modules: The modules of the package, in the order in which they are searched for a name.
    """

    def load(name: str) -> Any:
        namespace = sys.modules[package].__dict__
        for module in modules if name in namespace["__all__"] else ():
            defined = import_module(f"{package}.{module}").__dict__
            if name in defined:
                namespace[name] = defined[name]
                return defined[name]
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
