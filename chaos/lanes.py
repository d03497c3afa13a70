"""Runs side by side, each on a lane of its own: a sandbox with its faults, in this process."""

from __future__ import annotations

import queue
import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from control import OWNER, Control

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.faults import Fault, FaultEvent, Faults
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.store import Store

LANES = 4

T = TypeVar("T")
L = TypeVar("L")


class Lane:
    """A sandbox, what goes wrong with it, and when that has come how far.

    Args:
        url: The sandbox's URL.
        database: Its database file.
        faults: Its faults.
        folder: Where the tasks of its runs leave what they keep.
    """

    def __init__(self, url: str, database: Path, faults: Faults, folder: Path) -> None:
        self.url = url
        self.control = Control(url, str(database))
        self.folder = folder
        self._faults = faults
        self._reached: list[FaultEvent] = []
        self._past: set[int] = set()

    def connection(self, token: str, generation: int, **extra: Any) -> dict[str, Any]:
        """An Airflow connection to it."""
        return {
            "conn_type": "wriftai",
            "host": f"{self.url}/generation-{generation}/v1",
            "password": token,
            "extra": extra,
        }

    def new_token(self) -> str:
        """Make a token of a run's own, so that it can be revoked."""
        token = secrets.token_urlsafe(24)
        self.control.add_token(token, OWNER)
        return token

    def hold(self, **fault: Any) -> None:
        """Let a request go wrong, and hold it up."""
        self._faults.add([Fault.model_validate(fault)])

    def has_reached(self, stage: str, method: str, path: str = "", times: int = 1) -> bool:
        """Tell whether a request that goes wrong, or so many, have come so far."""
        while True:
            try:
                each = self._faults.events.get_nowait()
            except queue.Empty:
                break
            if each.port not in self._past:
                self._reached.append(each)
        reached = [
            each
            for each in self._reached
            if (each.stage, each.method) == (stage, method) and re.search(path, each.path)
        ]
        return len(reached) >= times

    def forget(self) -> None:
        """Forget what has been reached, and whatever else the same connections still reach."""
        self.has_reached("", "")
        self._past |= {each.port for each in self._reached}
        self._reached.clear()

    def left(self) -> int:
        """Tell how many faults are still to come."""
        return sum(fault.times for fault in self._faults.pending())

    def clear(self) -> None:
        """Let nothing go wrong any more, and everything that is under way be done."""
        self.control.end_faults()
        self.forget()


@contextmanager
def open_lane(folder: Path) -> Iterator[Lane]:
    """Run a sandbox in this process, in a folder that is made for it."""
    folder.mkdir()
    store = Store(folder / "sandbox.db")
    faults = Faults()
    try:
        with running(create_app(store, faults=faults)) as url:
            yield Lane(url, folder / "sandbox.db", faults, folder)
    finally:
        store.close()


def on_lanes(work: Callable[[int, Lane], T], seeds: range, folder: Path, lanes: int = LANES) -> Iterator[T]:
    """Do something for each seed, several at once, each on a lane of its own.

    Yields:
        What came of each, as it comes.
    """
    with ExitStack() as stack:
        yield from spread(work, seeds, [stack.enter_context(open_lane(folder / f"lane-{n}")) for n in range(lanes)])


def spread(work: Callable[[int, L], T], seeds: range, lanes: list[L]) -> Iterator[T]:
    """Do something for each seed, several at once, each with one of the lanes.

    Yields:
        What came of each, as it comes.
    """
    free: queue.Queue[L] = queue.Queue()
    for lane in lanes:
        free.put(lane)

    def one(seed: int) -> T:
        lane = free.get()
        try:
            return work(seed, lane)
        finally:
            free.put(lane)

    with ThreadPoolExecutor(len(lanes)) as pool:
        shares = [pool.submit(one, seed) for seed in seeds]
        try:
            for share in as_completed(shares):
                yield share.result()
        finally:
            for share in shares:
                share.cancel()
