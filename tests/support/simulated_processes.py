"""Simulate processes that share a token and its rate limit. The same seed gives the same run."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from airflow_provider_wriftai.client import rate_limiter, reservation_clock, service_clock
from airflow_provider_wriftai.client.bucket_estimate import BucketEstimate
from airflow_provider_wriftai.client.rate_limiter import RateLimiter
from airflow_provider_wriftai.client.response import Response

EPOCH = 1_764_000_000.0


class SharedEstimate:
    """A reservation clock without a file."""

    def __init__(self) -> None:
        self._data = BucketEstimate().pack()

    @contextlib.contextmanager
    def locked(self) -> Iterator[BucketEstimate]:
        bucket = BucketEstimate.unpack(self._data)
        yield bucket
        self._data = bucket.pack()


@dataclass
class Bucket:
    """The rate limit of the sandbox: a token bucket."""

    per_second: float
    burst: int
    level: float = math.nan
    at: float = 0.0

    def take(self, now: float) -> tuple[bool, dict[str, str]]:
        level = self.burst if math.isnan(self.level) else self.level
        level = min(self.burst, level + (now - self.at) * self.per_second)
        allowed = level >= 1
        self.level, self.at = level - allowed, now
        resets_at = EPOCH + now + max(0.0, 1 - self.level) / self.per_second
        return allowed, {
            "x-ratelimit-limit": str(self.burst),
            "x-ratelimit-remaining": str(int(self.level)),
            "x-ratelimit-reset": f"{math.ceil(resets_at * 1000) / 1000:.3f}",
        }


@dataclass
class Window:
    """A limit of requests per fixed window. Its headers are in whole seconds."""

    requests: int
    seconds: float
    window: int = -1
    left: int = 0

    def take(self, now: float) -> tuple[bool, dict[str, str]]:
        window = int((EPOCH + now) // self.seconds)
        if window != self.window:
            self.window, self.left = window, self.requests
        allowed = self.left > 0
        self.left -= allowed
        return allowed, {
            "x-ratelimit-limit": str(self.requests),
            "x-ratelimit-remaining": str(self.left),
            "x-ratelimit-reset": str(math.ceil((window + 1) * self.seconds)),
        }


@dataclass
class Outcome:
    """The result of a run."""

    seconds: float = 0.0
    sent: int = 0
    refused: int = 0
    finished: dict[int, float] = field(default_factory=dict)
    waits: list[tuple[float, int]] = field(default_factory=list)


class Simulation:
    """Several processes that each make a number of requests.

    Args:
        limit: The rate limit of the service.
        workers: For each process, how many requests it makes concurrently.
        requests: How many requests each process makes.
        latency: The shortest and the longest round trip in seconds.
        shared: Whether the processes share an estimate.
    """

    def __init__(
        self,
        limit: Bucket | Window,
        workers: list[int],
        requests: int,
        *,
        latency: tuple[float, float] = (0.02, 0.2),
        shared: bool = True,
        seed: int = 1,
        limiter: Callable[[Any], RateLimiter] = RateLimiter,
    ) -> None:
        self.limit = limit
        self.now = 1000.0
        self._random = random.Random(seed)  # noqa: S311
        random.seed(seed)  # The limiter adds jitter to its waits.
        self._latency = latency
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.outcome = Outcome()
        clock = SharedEstimate()
        self.limiters = [limiter(clock if shared else None) for _ in workers]
        self._left = [requests] * len(workers)
        self._done = [0] * len(workers)
        self._requests = requests
        for process, count in enumerate(workers):
            start = self._random.uniform(0, 0.05)
            for _ in range(count):
                self._at(self.now + start, lambda process=process: self._next(process))  # type: ignore[misc]

    def _at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), action))

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        """Schedule an action some seconds after the beginning."""
        self._at(1000.0 + seconds, action)

    def run(self, until: float = math.inf) -> Outcome:
        """Run until all requests are done, or for a number of simulated seconds."""
        began = self.now
        self._random.seed(self._random.random())
        # Patch the limiter's modules only: servers in other threads of this process need the real time.
        simulated = SimpleNamespace(
            monotonic=lambda: self.now, time=lambda: EPOCH + self.now, sleep=lambda seconds: None
        )
        with (
            patch.object(rate_limiter, "time", simulated),
            patch.object(reservation_clock, "time", simulated),
            patch.object(service_clock, "time", simulated),
        ):
            while self._events and self._events[0][0] - began < until:
                self.now, _, action = heapq.heappop(self._events)
                action()
        self.outcome.seconds = self.now - began
        return self.outcome

    def _next(self, process: int) -> None:
        if self._left[process]:
            self._left[process] -= 1
            self._acquire(process, self.now)

    def _acquire(self, process: int, since: float) -> None:
        turn = self.limiters[process].acquire()

        def step() -> None:
            wait = next(turn, None)
            if wait is None:
                self._send(process, since)
            else:
                self._at(self.now + wait + self._random.uniform(0.0001, 0.0015), step)

        step()

    def _send(self, process: int, since: float) -> None:
        sent_at, trip = self.now, self._random.uniform(*self._latency)
        self.outcome.sent += 1

        def arrive() -> None:
            allowed, headers = self.limit.take(self.now)

            def receive() -> None:
                self.limiters[process].update(Response(200 if allowed else 429, headers, b""), sent_at)
                if not allowed:
                    self.outcome.refused += 1
                    self._acquire(process, since)
                    return
                self._done[process] += 1
                self.outcome.waits.append((self.now - since, process))
                if self._done[process] == self._requests:
                    self.outcome.finished[process] = self.now - 1000.0
                self._next(process)

            self._at(sent_at + trip, receive)

        self._at(sent_at + trip * self._random.uniform(0.3, 0.7), arrive)
