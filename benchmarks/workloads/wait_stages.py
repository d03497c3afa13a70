"""The stages of a process with many waits in one event loop, as Airflow's triggerer runs them.

Both workloads of the benchmark go through them: one wait runs, the others are started, all wait, all find their
version. After each stage its numbers are printed as a line of JSON, for a parent that counts requests and publishes.
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

_NAP = 0.005
_IDLE = 0.1
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is waited for.

    Attributes:
        waits: How many waits there are.
        models: How many models they are spread over.
        interval: Seconds between two polls of a wait.
        intervals: How many of them are measured while nothing is found.
        number: Of the version that is waited for.
    """

    waits: int
    models: int
    interval: float
    intervals: int
    number: int

    @classmethod
    def of_arguments(cls, arguments: list[str]) -> Plan:
        """Read ``WAITS MODELS INTERVAL INTERVALS NUMBER``."""
        waits, models, interval, intervals, number = arguments
        return cls(int(waits), int(models), float(interval), int(intervals), int(number))

    def reference(self, model: int) -> str:
        """Name the version of a model that is waited for."""
        return f"acme/model-{model}:{self.number}"


@dataclass(slots=True)
class Waits:
    """The waits that run.

    Attributes:
        plan: What is waited for.
        make: Makes the trigger that waits for a version.
        tasks: One for each wait.
        found: When the last wait on each model had its event, by the clock that all processes share.
        ready: How many found their version.
    """

    plan: Plan
    make: Callable[[str], BaseTrigger]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    found: dict[int, float] = field(default_factory=dict)
    ready: int = 0

    async def start(self, until: int) -> None:
        """Start waits, until there are so many; the event loop has its turns in between, as in the triggerer."""
        while len(self.tasks) < until:
            await asyncio.sleep(0)
            model = len(self.tasks) % self.plan.models
            trigger = self.make(self.plan.reference(model))
            await asyncio.sleep(0)
            self.tasks.append(asyncio.create_task(self._run(model, trigger)))

    async def _run(self, model: int, trigger: BaseTrigger) -> None:
        async for event in trigger.run():
            self.found[model] = time.monotonic()
            self.ready += event.payload["status"] == "ready"


class Lag:
    """How late the event loop is, and how long Python's collector of garbage, which stops everything, takes."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._longest_collection = 0.0
        self._collecting_since = 0.0

    async def watch(self) -> None:
        """Sleep again and again, and note by how much that took longer than it should."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_NAP)
            self._late.append(time.perf_counter() - began - _NAP)

    def collecting(self, phase: str, _: object) -> None:
        """Note the beginning and the end of a collection."""
        if phase == "start":
            self._collecting_since = time.perf_counter()
        else:
            self._longest_collection = max(self._longest_collection, time.perf_counter() - self._collecting_since)

    def told(self) -> dict[str, float]:
        """Tell the 99th percentile, the worst and the longest collection, in milliseconds."""
        late = sorted(self._late)
        p99 = late[int(0.99 * (len(late) - 1) + 0.5)]
        return {"lag": p99 * 1000, "worst": late[-1] * 1000, "collection": self._longest_collection * 1000}


@contextmanager
def lag_noted() -> Iterator[Lag]:
    """Note how late the event loop is during a block."""
    lag = Lag()
    watching = asyncio.create_task(lag.watch())
    gc.callbacks.append(lag.collecting)
    try:
        yield lag
    finally:
        gc.callbacks.remove(lag.collecting)
        watching.cancel()


async def staged(plan: Plan, make: Callable[[str], BaseTrigger]) -> None:
    """Go through the stages.

    Args:
        plan: How much is waited for.
        make: Makes the trigger that waits for a version.
    """
    waits = Waits(plan, make)
    await waits.start(1)
    # Long enough for its first look, and another moment of the interval than those at which the others look.
    await asyncio.sleep(plan.interval / 4)
    base = resident_kilobytes()
    began = time.monotonic()
    await _starting(waits)
    # Halfway between two polls, so that as many of them fall into the time as it has intervals.
    await asyncio.sleep(plan.interval - (time.monotonic() - began + plan.interval / 2) % plan.interval)
    tell()
    await _steady(waits, base)
    await _finding(waits)


async def _starting(waits: Waits) -> None:
    plan, began = waits.plan, time.monotonic()
    with lag_noted() as lag:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(waits.start(plan.waits), _PATIENCE * plan.interval)
        seconds = time.monotonic() - began
        await _idle(began + plan.interval)
    tell(started=len(waits.tasks), seconds=seconds, **lag.told())


async def _steady(waits: Waits, base: float) -> None:
    plan, cpu = waits.plan, time.process_time()
    with lag_noted() as lag:
        await asyncio.sleep(plan.interval * plan.intervals)
    cpu = time.process_time() - cpu
    tell(cpu=cpu / plan.intervals, **lag.told())
    # Afterwards, because to collect the garbage takes a while.
    tell(kilobytes=(resident_kilobytes() - base) / (len(waits.tasks) - 1))


async def _finding(waits: Waits) -> None:
    with lag_noted() as lag:
        # One interval in which all is published, and one until it is seen; and more for who is late.
        await asyncio.wait(waits.tasks, timeout=(1 + _PATIENCE) * waits.plan.interval)
    tell(ready=waits.ready, **lag.told(), **{f"found_{model}": moment for model, moment in waits.found.items()})


async def _idle(at_most: float) -> None:
    """Wait until this process has little to do, or a time has come."""
    while time.monotonic() < at_most:
        cpu = time.process_time()
        await asyncio.sleep(_IDLE)
        if time.process_time() - cpu < _IDLE / 2:
            return


def tell(**numbers: float) -> None:
    """Print numbers for the parent."""
    print(json.dumps(numbers), flush=True)


def resident_kilobytes() -> float:
    """Tell the resident memory, without garbage."""
    gc.collect()
    return resident_megabytes() * 1024
