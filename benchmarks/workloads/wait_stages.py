"""Run many waits in one event loop, as Airflow's triggerer does, and measure them in stages.

All workloads of the benchmark have the same stages: one wait starts, the others start, all wait, and all find their
version. After each stage, the process prints its numbers as one line of JSON. The parent process counts the requests
and publishes the versions.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from airflow.triggers.base import BaseTrigger

from benchmarks.workloads.memory import resident_megabytes

_LAG_SAMPLE_SECONDS = 0.005
_IDLE_SAMPLE_SECONDS = 0.1
_TIMEOUT_INTERVALS = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run.

    Attributes:
        waits: How many waits there are.
        models: How many models they are spread over.
        interval: Seconds between two polls of a wait.
        intervals: How many intervals to measure before the versions are published.
        number: The number of the version that the waits wait for.
    """

    waits: int
    models: int
    interval: float
    intervals: int
    number: int

    @classmethod
    def from_arguments(cls, arguments: list[str]) -> Plan:
        """Parse ``WAITS MODELS INTERVAL INTERVALS NUMBER``."""
        waits, models, interval, intervals, number = arguments
        return cls(int(waits), int(models), float(interval), int(intervals), int(number))

    def reference(self, model: int) -> str:
        """Return the reference of the version that waits on a model wait for."""
        return f"acme/model-{model}:{self.number}"


@dataclass(slots=True)
class Waits:
    """All waits of this process.

    Attributes:
        plan: The size of the run.
        make_trigger: Returns a trigger that waits for a version.
        tasks: One task per wait.
        found: When the last wait on each model received its event, by the monotonic clock that all processes share.
        ready: How many waits found their version.
    """

    plan: Plan
    make_trigger: Callable[[str], BaseTrigger]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    found: dict[int, float] = field(default_factory=dict)
    ready: int = 0

    async def start(self, count: int) -> None:
        """Start waits until ``count`` are running; yield to the event loop in between, as the triggerer does."""
        while len(self.tasks) < count:
            await asyncio.sleep(0)
            model = len(self.tasks) % self.plan.models
            trigger = self.make_trigger(self.plan.reference(model))
            await asyncio.sleep(0)
            self.tasks.append(asyncio.create_task(self._run(model, trigger)))

    async def _run(self, model: int, trigger: BaseTrigger) -> None:
        async for event in trigger.run():
            self.found[model] = time.monotonic()
            self.ready += event.payload["status"] == "ready"


class LagMonitor:
    """Measures the lag of the event loop, and the garbage collections, which block it."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._longest_collection = 0.0
        self._collecting_since = 0.0

    async def run(self) -> None:
        """Sleep repeatedly, and record how much longer than requested each sleep took."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_LAG_SAMPLE_SECONDS)
            self._late.append(time.perf_counter() - began - _LAG_SAMPLE_SECONDS)

    def on_collection(self, phase: str, _: object) -> None:
        """Record the start or the end of a garbage collection."""
        if phase == "start":
            self._collecting_since = time.perf_counter()
        else:
            self._longest_collection = max(self._longest_collection, time.perf_counter() - self._collecting_since)

    def summary(self) -> dict[str, float]:
        """Return the 99th percentile, the longest lag, and the longest collection, in milliseconds."""
        late = sorted(self._late)
        p99 = late[int(0.99 * (len(late) - 1) + 0.5)]
        return {"lag": p99 * 1000, "worst": late[-1] * 1000, "collection": self._longest_collection * 1000}


@contextmanager
def measuring_lag() -> Iterator[LagMonitor]:
    """Measure the lag of the event loop during a block."""
    monitor = LagMonitor()
    task = asyncio.create_task(monitor.run())
    gc.callbacks.append(monitor.on_collection)
    try:
        yield monitor
    finally:
        gc.callbacks.remove(monitor.on_collection)
        task.cancel()


async def run_stages(plan: Plan, make_trigger: Callable[[str], BaseTrigger]) -> None:
    """Run all stages.

    Args:
        plan: The size of the run.
        make_trigger: Returns a trigger that waits for a version.
    """
    waits = Waits(plan, make_trigger)
    await waits.start(1)
    # Leave time for its first poll, and let it poll at a different point of the interval than the other waits.
    await asyncio.sleep(plan.interval / 4)
    base = resident_kilobytes()
    began = time.monotonic()
    await _measure_start(waits)
    # Begin halfway between two polls, so that the number of polls equals the number of intervals.
    await asyncio.sleep(plan.interval - (time.monotonic() - began + plan.interval / 2) % plan.interval)
    report()
    await _measure_steady(waits, base)
    await _measure_finding(waits)


async def _measure_start(waits: Waits) -> None:
    plan, began = waits.plan, time.monotonic()
    with measuring_lag() as lag:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(waits.start(plan.waits), _TIMEOUT_INTERVALS * plan.interval)
        seconds = time.monotonic() - began
        await _until_idle(began + plan.interval)
    report(started=len(waits.tasks), seconds=seconds, **lag.summary())


async def _measure_steady(waits: Waits, base: float) -> None:
    plan, cpu = waits.plan, time.process_time()
    with measuring_lag() as lag:
        await asyncio.sleep(plan.interval * plan.intervals)
    cpu = time.process_time() - cpu
    report(cpu=cpu / plan.intervals, **lag.summary())
    # Last, because the garbage collection takes a while.
    report(kilobytes=(resident_kilobytes() - base) / (len(waits.tasks) - 1))


async def _measure_finding(waits: Waits) -> None:
    with measuring_lag() as lag:
        # All versions are published within one interval and found within the next one; the rest is a reserve.
        await asyncio.wait(waits.tasks, timeout=(1 + _TIMEOUT_INTERVALS) * waits.plan.interval)
    report(ready=waits.ready, **lag.summary(), **{f"found_{model}": moment for model, moment in waits.found.items()})


async def _until_idle(deadline: float) -> None:
    """Wait until this process is mostly idle, or until the deadline."""
    while time.monotonic() < deadline:
        cpu = time.process_time()
        await asyncio.sleep(_IDLE_SAMPLE_SECONDS)
        if time.process_time() - cpu < _IDLE_SAMPLE_SECONDS / 2:
            return


def report(**numbers: float) -> None:
    """Print numbers for the parent process."""
    print(json.dumps(numbers), flush=True)


def resident_kilobytes() -> float:
    """Return the resident memory after a garbage collection."""
    gc.collect()
    return resident_megabytes() * 1024
