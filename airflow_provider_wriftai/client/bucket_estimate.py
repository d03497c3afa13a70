"""An estimate of the service's token bucket, and the reservations made against it.

The service does not state how fast its bucket refills, and the time until a reset depends on latency and on two clocks.
So the refill interval is learned from the *difference* between the resets of two responses, divided by the requests
that were accepted in between. From then on each request reserves the next free slot, one interval after the last one;
unused slots accumulate up to the burst. Each response corrects the estimate: where its remaining count or reset differ
from what the reservations predict, the next slot moves part of the way there.

Before the interval is known, one request goes ahead alone and its response shows how many may follow.

All times are of ``time.monotonic``, which the processes of one machine share. Nothing is held by a process: a request
that is never sent costs its slot and nothing else.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Self

PROBE_PATIENCE = 1.0
"""Seconds that others wait for the response of the one request that goes ahead."""

FURTHEST_SLOT = 60.0
"""Seconds ahead that a slot can be reserved."""

_RECENT = 64
"""Reserved slots that are remembered, to see which requests a response cannot have counted."""

_CORRECTION = 0.15
"""The share of the difference between the estimate and a response that is corrected at once."""

_REBASE_AFTER = 512
"""Accepted requests after which differences are measured from a newer response."""

_RESOLUTIONS = 10
"""How many times the resolution of resets a difference of two of them must have to be used."""

_FLOW_TO_LEARN = 16
"""Refilled requests from which the interval is learned."""

_FLOW_TO_CHECK = 48
"""Refilled requests against which a known interval is checked."""

_FLOW_TOLERANCE = 1.15
"""The factor by which a measured interval may differ from the known one."""

_TOO_SLOW = 0.97
"""The factor that shortens the interval when the bucket is full although slots are reserved in the future."""

_SHORTEST_INTERVAL = 0.0001
"""Seconds."""

_FADING = 0.99
"""The factor by which ``cushion`` and ``slowest`` decay with each response."""

_FORGOTTEN_AFTER = 600.0
"""Seconds without a response after which the estimate is discarded."""

_ENOUGH_STEPS = 12
"""Requests from which a measured interval counts as certain."""

_MOST_STEPS = 32
"""Requests from which a measured interval always replaces the known one."""

_MISCOUNTED = {True: 3, False: 1}
"""Requests that may be miscounted because others overtake them, by whether the interval is certain."""

_MISCOUNTED_SHARE = 0.2
"""The share of the requests that may be miscounted, if that is more."""


class Limited(IntEnum):
    """Whether the service limits requests."""

    UNKNOWN = 0
    YES = 1
    NO = 2


@dataclass(frozen=True, slots=True)
class Observation:
    """What one response reports about the bucket.

    Attributes:
        sent_at: When its request was sent.
        received_at: When it was received.
        refused: Whether it was a 429.
        remaining: How many more requests it allows; None if it does not say.
        resets_at: When one more request is allowed; None if it does not say.
        reset: The same as the service states it, for differences; None if it states no time.
        limit: The size of the bucket; None if it does not say.
        interval: The seconds per request that it states; None if it states none.
        in_flight: How many other requests of this process are under way.
    """

    sent_at: float
    received_at: float
    refused: bool = False
    remaining: float | None = None
    resets_at: float | None = None
    reset: float | None = None
    limit: float | None = None
    interval: float | None = None
    in_flight: int = 0


@dataclass(slots=True)
class BucketEstimate:
    """An estimate of the bucket. All fields are numbers, so that it can be stored in a file.

    Attributes:
        limited: Whether the service limits requests: a ``Limited``.
        reserved: How many slots were reserved.
        answered: How many of them are done: their response came, or is no longer expected.
        accepted: How many requests the service accepted.
        interval: Seconds between two slots; 0 while unknown.
        burst: How many requests the bucket holds.
        next_slot: When the next free slot is.
        available: How many requests may go ahead while the interval is unknown.
        closed_until: When the next request may be sent at the earliest.
        probed_until: Until when others wait for the response to the request that went ahead.
        exhausted_at: When the last response came that reported an empty bucket.
        refused_at: When the last 429 came.
        refusals: How many 429s came in a row.
        cushion: Seconds of reserve after a 429. It decays with each accepted request.
        base_reset: The reset from which differences are measured; 0 for none.
        base_accepted: ``accepted`` at that response.
        base_steps: How many requests the interval was derived from.
        base_at: When that response came.
        flow_since: When the measurement of the flow began; 0 for none.
        flow_total: Requests accepted and remaining at that time.
        slowest: Seconds of the longest recent round trip. It decays with each response.
        observed_at: When the last response came.
        slots: The latest reserved slots, as a ring.
    """

    limited: float = Limited.UNKNOWN
    reserved: float = 0.0
    answered: float = 0.0
    accepted: float = 0.0
    interval: float = 0.0
    burst: float = 1.0
    next_slot: float = 0.0
    available: float = 0.0
    closed_until: float = 0.0
    probed_until: float = 0.0
    exhausted_at: float = 0.0
    refused_at: float = 0.0
    refusals: float = 0.0
    cushion: float = 0.0
    base_reset: float = 0.0
    base_accepted: float = 0.0
    base_steps: float = 0.0
    base_at: float = 0.0
    flow_since: float = 0.0
    flow_total: float = 0.0
    slowest: float = 0.0
    observed_at: float = 0.0
    slots: list[float] = field(default_factory=lambda: [0.0] * _RECENT)

    def reserve(self, now: float) -> tuple[bool, float]:
        """Reserve the next free slot.

        Returns:
            Whether one was reserved, and when it is; otherwise, when to try again.
        """
        if now - self.observed_at > _FORGOTTEN_AFTER and now >= self.probed_until:
            # The limit may have changed, and another service may have taken the address.
            self.forget()
        if self.limited == Limited.NO and now >= self.closed_until:
            return True, now
        if self.interval:
            full_at = now - (self.burst - 1) * self.interval
            if self.next_slot < full_at:
                # The bucket was full for a while, so its resets did not move.
                self.next_slot = full_at
                self.base_reset = self.flow_since = 0.0
            self.next_slot = max(self.next_slot, self.closed_until)
            slot = max(now, self.next_slot)
            if slot > now + FURTHEST_SLOT:
                return False, now + FURTHEST_SLOT / 2
            self.next_slot += self.interval
            return True, self._record_slot(slot)
        if now < self.closed_until:
            return False, self.closed_until
        if self.available < 1:
            if now < self.probed_until:
                return False, now
            # Requests without a response by now may never get one.
            self.answered = self.reserved
        self.available = max(0.0, self.available - 1)
        self.probed_until = now + PROBE_PATIENCE
        return True, self._record_slot(now)

    def forget(self) -> None:
        """Start afresh, except with what was reserved."""
        fresh = BucketEstimate(reserved=self.reserved, answered=self.reserved, slots=self.slots)
        for name in _NUMBERS:
            setattr(self, name, getattr(fresh, name))

    def stop_waiting_for_probe(self) -> None:
        """Let another request go ahead, because one ended without a response."""
        self.answered += 1
        self.probed_until = 0.0

    def _record_slot(self, slot: float) -> float:
        self.slots[int(self.reserved) % _RECENT] = slot
        self.reserved += 1
        return slot

    def observe(self, observation: Observation) -> None:
        """Learn from a response."""
        self.observed_at = observation.received_at
        self.answered += 1
        if observation.remaining is None and not observation.refused:
            if self.limited == Limited.UNKNOWN or observation.sent_at >= self.exhausted_at:
                self.limited = Limited.NO
            return
        self.limited = Limited.YES
        if observation.interval and not self.interval:
            self._set_interval(observation.interval)
            self.next_slot = observation.received_at
        if observation.refused:
            self._count_refusal(observation)
        else:
            self.accepted += 1
            self.refusals = 0.0 if observation.sent_at >= self.refused_at else self.refusals
            self.cushion *= _FADING
            if observation.sent_at < self.base_at and (observation.reset or 0.0) <= self.base_reset:
                # The service had counted it before the response that differences are measured from.
                self.base_accepted += 1
        if observation.remaining is not None:
            self.burst = max(observation.limit or self.burst, observation.remaining + 1, 1.0)
        uncounted = sum(slot > observation.sent_at for slot in self.slots)
        # A request that is alone cannot be overtaken; of several, one can arrive half a round trip sooner than another.
        trip = min(observation.received_at - observation.sent_at, 1.0) if uncounted or observation.in_flight else 0.0
        self.slowest = max(self.slowest * _FADING, trip)
        if observation.refused or (observation.remaining is not None and observation.remaining < 1):
            self._observe_exhausted(observation, uncounted)
        elif observation.remaining is not None:
            self._observe_remaining(observation, observation.remaining, uncounted)
            self._measure_flow(observation, observation.remaining, uncounted)

    def close(self, until: float) -> None:
        """Let no request be sent before a time."""
        self.closed_until = max(self.closed_until, until)

    def _count_refusal(self, observation: Observation) -> None:
        if observation.sent_at >= self.refused_at:
            self.refusals += 1
            self.refused_at = observation.received_at
        if self.interval:
            self.cushion = self._safety_margin() + self.interval / 2

    def _observe_exhausted(self, observation: Observation, uncounted: int) -> None:
        self.available = 0.0
        self.exhausted_at = observation.received_at
        if observation.reset is not None and not observation.refused:
            self._learn_interval(observation.reset, observation)
        if self.interval and observation.resets_at is not None:
            self._correct(observation.resets_at + self.interval * uncounted, observation.received_at)
        self.probed_until = 0.0

    def _observe_remaining(self, observation: Observation, remaining: float, uncounted: int) -> None:
        if self.interval:
            self._correct(self._next_slot_after(observation, remaining, uncounted), observation.received_at)
        elif observation.sent_at >= self.exhausted_at:
            # The service may or may not have counted the requests in flight. Assume that it has not.
            self.available = max(0.0, remaining - max(observation.in_flight, uncounted))
            if self.answered >= self.reserved:
                # The responses came out of order, and no other one is due.
                self.probed_until = 0.0

    def _next_slot_after(self, observation: Observation, remaining: float, uncounted: int) -> float:
        counted_at = (observation.sent_at + observation.received_at) / 2
        return counted_at - (remaining - 0.5 - uncounted) * self.interval

    def _correct(self, estimate: float, now: float) -> None:
        corrected = self.next_slot + _CORRECTION * (estimate + self._safety_margin() - self.next_slot)
        self.next_slot = min(corrected, now + FURTHEST_SLOT)

    def _safety_margin(self) -> float:
        """Return the seconds' worth of requests that are left in the bucket, because requests overtake each other."""
        return min(max(self.cushion, self.slowest / 2), (self.burst - 1) / 2 * self.interval)

    def _measure_flow(self, observation: Observation, remaining: float, uncounted: int) -> None:
        """Learn the interval from what was accepted over time, where the bucket is never empty and no reset is
        stated."""
        total = self.accepted + remaining
        if remaining >= self.burst - 1:
            # A full bucket does not refill, so neither its resets nor its flow reveal the interval.
            self.base_reset = self.flow_since = 0.0
            if self.interval and self.next_slot > observation.received_at:
                self._set_interval(self.interval * _TOO_SLOW)
                self.next_slot = observation.received_at
            return
        if not self.flow_since:
            self.flow_since, self.flow_total = observation.received_at, total
            return
        refilled = total - self.flow_total
        if refilled < (_FLOW_TO_CHECK if self.interval else _FLOW_TO_LEARN):
            return
        interval = (observation.received_at - self.flow_since) / refilled
        if not self.interval:
            self._set_interval(interval)
            self.next_slot = self._next_slot_after(observation, remaining, uncounted) + self._safety_margin()
        elif not 1 / _FLOW_TOLERANCE < interval / self.interval < _FLOW_TOLERANCE:
            self._set_interval(interval)
            self.base_reset = 0.0
        self.flow_since, self.flow_total = observation.received_at, total

    def _learn_interval(self, reset: float, observation: Observation) -> None:
        if not self.base_reset:
            self._measure_from(reset, observation)
            return
        passed, accepted = reset - self.base_reset, self.accepted - self.base_accepted
        resolution = 1.0 if reset == math.floor(reset) else 0.001
        if passed < _RESOLUTIONS * resolution or accepted < 1:
            return
        if not self.interval:
            self._set_interval(passed / accepted, accepted)
            self.next_slot = (observation.resets_at or observation.received_at) + self._safety_margin()
            return
        steps = round(passed / self.interval)
        # Requests that overtake each other are miscounted by one or two. If the interval was derived from few requests,
        # the interval is more likely to be wrong.
        is_certain = self.base_steps >= _ENOUGH_STEPS
        if abs(steps - accepted) <= max(_MISCOUNTED[is_certain], _MISCOUNTED_SHARE * steps):
            if steps >= max(1, min(self.base_steps, _MOST_STEPS)):
                self._set_interval(passed / steps, steps)
        elif not is_certain:
            self._set_interval(passed / accepted, accepted)
        elif steps >= _ENOUGH_STEPS:
            self._set_interval(passed / accepted)
            self._measure_from(reset, observation)
        if accepted > _REBASE_AFTER:
            self._measure_from(reset, observation)

    def _set_interval(self, interval: float, steps: float = 0.0) -> None:
        self.interval = min(max(interval, _SHORTEST_INTERVAL), FURTHEST_SLOT)
        self.base_steps = steps

    def _measure_from(self, reset: float, observation: Observation) -> None:
        self.base_reset, self.base_accepted, self.base_at = reset, self.accepted, observation.received_at

    def is_plausible(self, now: float) -> bool:
        """Return whether the estimate fits this machine's clock."""
        latest = max(
            self.observed_at, self.next_slot, self.closed_until, self.probed_until, self.exhausted_at, self.refused_at
        )
        positive = min(self.interval, self.available, self.cushion, self.refusals, self.reserved) >= 0
        return positive and latest <= now + 2 * FURTHEST_SLOT

    def pack(self) -> bytes:
        """Return the estimate as bytes of a fixed length."""
        return _LAYOUT.pack(*(getattr(self, name) for name in _NUMBERS), *self.slots)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Parse what :meth:`pack` returned.

        Raises:
            ValueError: The data is something else.
        """
        if len(data) != _LAYOUT.size:
            raise ValueError(f"{len(data)} bytes")
        numbers = _LAYOUT.unpack(data)
        if not all(map(math.isfinite, numbers)):
            raise ValueError("not finite")
        count = len(_NUMBERS)
        return cls(**dict(zip(_NUMBERS, numbers[:count], strict=True)), slots=list(numbers[count:]))


_NUMBERS = [each.name for each in fields(BucketEstimate) if each.name != "slots"]
_LAYOUT = struct.Struct(f"<{len(_NUMBERS) + _RECENT}d")
SIZE = _LAYOUT.size
"""Bytes of a packed estimate."""
