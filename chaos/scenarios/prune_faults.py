"""Prune under random faults, with time compressed, and others who publish and delete meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

from scenario import Finding, Kind, Outcome, Row, Scenario, Setting
from streamed import streamed

_ROW = Row("prune-faults", "prune under random faults", "prunes", frozenset({Kind.LOST, Kind.WRONGLY_DELETED}))


def _carry_out(setting: Setting) -> Iterator[Outcome]:
    for said in streamed("prune.py", setting.seeds):
        yield Outcome(
            said["seed"],
            said["faults"],
            clear_errors=said["ended"] == "failed",
            error=said["error"],
            findings=tuple(Finding(Kind(kind), what) for kind, what in said["findings"]),
            notes={"deletes sent": said["deletes"], "tasks killed": said["killed"]},
        )


SCENARIO = Scenario("prune-faults", (_ROW,), runs=600, quick_runs=80, carry_out=_carry_out)
