"""Measure what the import of a provider adds to a DAG file: ``import_provider PACKAGE``."""

from __future__ import annotations

import importlib
import json
import sys
import time
import warnings

warnings.simplefilter("ignore")

import airflow.sdk  # noqa: E402
import airflow.triggers.base  # noqa: E402

# Load what every DAG file with an operator and a sensor loads. These attributes are lazy.
for name in ("DAG", "dag", "task", "Asset", "BaseOperator", "BaseSensorOperator", "BaseHook", "BaseOperatorLink"):
    getattr(airflow.sdk, name)

package = sys.argv[1]
info = importlib.import_module(f"{package}.get_provider_info").get_provider_info()
modules = [
    module
    for kind in ("operators", "sensors", "triggers")
    for integration in info.get(kind, [])
    for module in integration["python-modules"]
]
before = set(sys.modules)
began = time.perf_counter()
for module in modules:
    importlib.import_module(module)
seconds = time.perf_counter() - began
print(json.dumps({"milliseconds": seconds * 1000, "loaded": sorted(set(sys.modules) - before)}))
