"""The machine that numbers were measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """Say what the numbers were measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processors": os.cpu_count(),
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("apache-airflow", "httpx")},
    }


def told(what: Mapping[str, Any]) -> str:
    """Say on one line what the numbers were measured on."""
    return (
        f"{what['processors']} processors ({what['processor']}), {what['system']}, Python {what['python']}, "
        f"Airflow {what['apache-airflow']}, httpx {what['httpx']}"
    )
