"""Measure the memory of this process."""

from __future__ import annotations

from pathlib import Path


def resident_megabytes(*, peak: bool = False) -> float:
    """Return the current resident memory, or its peak."""
    field = "VmHWM:" if peak else "VmRSS:"
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field)) / 1024
