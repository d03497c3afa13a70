"""The machine that runs the benchmarks."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any


def describe_machine() -> dict[str, Any]:
    """Return the hardware and the software versions of this machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processors": os.cpu_count(),
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("apache-airflow", "httpx")},
    }


def format_machine(machine: Mapping[str, Any]) -> str:
    """Return a machine's description as one line."""
    return (
        f"{machine['processors']} processors ({machine['processor']}), {machine['system']}, "
        f"Python {machine['python']}, Airflow {machine['apache-airflow']}, httpx {machine['httpx']}"
    )
