"""Plays Airflow's scheduler: the tries of a task, each in a real process that can be killed."""

from __future__ import annotations

import functools
import multiprocessing
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Protocol

import tasks
from tasks import Ended, Task

TRIES = 4
_PATIENCE = 120.0
_LOOK_EVERY = 0.002


@functools.cache
def _processes() -> ForkServerContext:
    """Processes that come with Airflow loaded, as the executor's do."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(tasks.PRELOADED))
    return context


class Running(Protocol):
    """A try of a task that is under way."""

    def kill_when(self, is_time: Callable[[], bool]) -> bool:
        """Wait until it ends, and kill it as soon as it is time; tells whether it was killed."""

    @property
    def ended(self) -> Ended | None:
        """How it ended; None where it was killed."""


Start = Callable[[Task, int, Mapping[str, Any]], Running]


class Try:
    """A try of a task, under way in a process.

    Args:
        task: The task.
        number: Which try.
        connection: The Airflow connection that it uses.
    """

    def __init__(self, task: Task, number: int, connection: Mapping[str, Any]) -> None:
        self._task = task
        self._number = number
        self._process: ForkServerProcess = _processes().Process(
            target=tasks.carry_out, args=(task, number, dict(connection))
        )
        self._process.start()

    def kill_when(self, is_time: Callable[[], bool]) -> bool:
        """Kill it with SIGKILL as soon as it is time, unless it ends before.

        Returns:
            Whether it was killed.
        """
        deadline = time.monotonic() + _PATIENCE
        while self._process.exitcode is None:
            if is_time():
                self._process.kill()
                self._process.join()
                return self.ended is None
            if time.monotonic() > deadline:
                self._process.kill()
                self._process.join()
                self._task.give_up(self._number, _PATIENCE)
            self._process.join(_LOOK_EVERY)
        return False

    @property
    def ended(self) -> Ended | None:
        """How it ended; None where it was killed."""
        return self._task.ended(self._number)


@dataclass(frozen=True, slots=True)
class Finished:
    """A task after its last try.

    Attributes:
        last: How its last try ended; None where that was killed.
        number: The number of that try.
        tries: How many there were.
        kills: How many of them were killed.
    """

    last: Ended | None
    number: int
    tries: int
    kills: int

    @property
    def succeeded(self) -> bool:
        return self.last is not None and self.last.state == "success"

    @property
    def has_clear_error(self) -> bool:
        """Whether it ended with an error of ours that says something."""
        return self.last is not None and self.last.state in _CLEAR and bool(self.last.error.strip())

    @property
    def result(self) -> Any:
        """What it returned."""
        return None if self.last is None else self.last.result

    @property
    def error(self) -> str:
        """What it said."""
        return "it was killed" if self.last is None else self.last.error


_CLEAR = ("failed", "failed for good", "timed out")


def finish(
    task: Task,
    connection: Mapping[str, Any],
    *,
    first: int = 1,
    tries: int = TRIES,
    retry_delay: float = 0.0,
    try_begins: Callable[[], None] = lambda: None,
    kill_when: Callable[[float], bool] = lambda seconds: False,
    start: Start = Try,
) -> Finished:
    """Run a task until it has ended as Airflow ends it: with success, for good, or after its last try.

    Args:
        task: The task.
        connection: The Airflow connection that it uses.
        first: The number of the first try.
        tries: How many tries there are at the most.
        retry_delay: Seconds between them.
        try_begins: Is called before each.
        kill_when: Tells whether it is time to kill the try that is under way, from the seconds that it is.
        start: Starts a try.

    Raises:
        RuntimeError: A process died of itself.
    """
    kills = 0
    for number in range(first, first + tries):
        if number > first:
            time.sleep(retry_delay)
        try_begins()
        running, began = start(task, number, connection), time.monotonic()
        killed = running.kill_when(lambda: kill_when(time.monotonic() - began))  # noqa: B023 - called at once
        kills += killed
        ended = running.ended
        if ended is None and not killed:
            raise RuntimeError(f"A process ended without a word: {task}")
        if ended is not None and ended.state != "failed":
            break
    return Finished(ended, number, number - first + 1, kills)
