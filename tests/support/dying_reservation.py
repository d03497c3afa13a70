"""Reserve a slot, and die at one of its steps: ``dying_reservation.py FOLDER STEP before|after|within``."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_provider_wriftai.client.reservation_clock import ReservationClock

folder, step, when = sys.argv[1:]
module: Any = {"flock": fcntl}.get(step, os)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def make_deadly(function: Callable[..., Any]) -> Callable[..., Any]:
    def call_and_die(*arguments: Any, **keywords: Any) -> Any:
        if when == "before":
            die()
        if when == "within":
            descriptor, data, offset = arguments
            function(descriptor, data[: len(data) // 2], offset)
            die()
        result = function(*arguments, **keywords)
        die()
        return result

    return call_and_die


setattr(module, step, make_deadly(getattr(module, step)))
with ReservationClock(Path(folder), "budget").locked() as bucket:
    bucket.reserve(bucket.observed_at)
