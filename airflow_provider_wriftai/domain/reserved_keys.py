"""Keys by which Airflow's serialization recognizes its own objects.

A JSON object with one of them does not pass through XCom as data: Airflow refuses it, or builds an object from it.
"""

from __future__ import annotations

RESERVED_KEYS = frozenset({"__classname__", "__version__", "__data__", "__id__", "__type", "__var"})
