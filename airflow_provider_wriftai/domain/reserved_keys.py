"""Keys by which Airflow's serialization recognizes its own objects.

A JSON object with one of them does not pass through XCom as data: Airflow refuses it, or builds an object from it.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_wriftai.domain.json_walk import walk

RESERVED_KEYS = frozenset({"__classname__", "__version__", "__data__", "__id__", "__type", "__var"})


def find_reserved_key(value: object) -> tuple[object, ...] | None:
    """Find the first reserved key in a JSON value.

    Returns:
        The path, whose last segment is the key; None if there is none.
    """
    for node in walk(value):
        if isinstance(node.value, Mapping):
            for key in node.value:
                if isinstance(key, str) and key in RESERVED_KEYS:
                    return (*node.path, key)
    return None
