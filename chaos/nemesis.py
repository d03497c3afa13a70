"""Random faults of HTTP exchanges."""

from __future__ import annotations

import random
from typing import Any

Fault = dict[str, Any]

_STATUSES = (500, 502, 503, 504)
_REFUSALS: tuple[dict[str, str], ...] = ({}, {"retry-after": "1"}, {"retry-after": "0"})
_LATEST = 1.0


def draw_read_fault(draw: random.Random) -> Fault:
    """Draw a fault for a read; an empty one leaves the read alone."""
    responses: list[Fault] = [
        {"response": "drop"},
        {"response": "html"},
        {"response": "garbled"},
        {"response": "cut"},
        *({"execute": "never", "status": status} for status in (*_STATUSES, 429)),
        {},
        {},
    ]
    return {"method": "GET", **draw.choice(responses)}


def draw_delete_fault(draw: random.Random) -> Fault:
    """Draw a fault for a delete: whether the service executes it, and how it responds."""
    kind = draw.choice(("never", "executed", "late", "refused", "not this version"))
    if kind == "refused":
        return {"method": "DELETE", "execute": "never", "status": 429, "headers": draw.choice(_REFUSALS)}
    if kind == "not this version":
        return {"method": "DELETE", "execute": "never", "status": draw.choice((403, 404, 409))}
    if kind == "late":
        return {"method": "DELETE", "execute": "last", "delay": draw.uniform(0, _LATEST), "response": "drop"}
    responses: list[Fault] = [{"response": "drop"}, {"response": "html"}, {"response": "html", "status": 200}]
    responses += [{"status": status} for status in _STATUSES]
    return {"method": "DELETE", "execute": "first" if kind == "executed" else "never", **draw.choice(responses)}
