"""Publish under random faults, with time compressed; the official client under the same ones beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scenario import Finding, Kind, Outcome, Row, Scenario, Setting
from streamed import HERE, streamed

_COUNTS = frozenset({Kind.LOST, Kind.DUPLICATED})
_OURS = Row("publish-faults", "publish under random faults", "publications", _COUNTS)
_OFFICIAL = Row("official-client", "wriftai 0.34.0 under the same", "publications", _COUNTS, is_peer=True)
_PYTHON = HERE.parent / ".venv-wriftai-0.34.0" / "bin" / "python"


def _carry_out(setting: Setting) -> Iterator[Outcome]:
    for said in streamed("ours.py", setting.seeds):
        yield _outcome(said)
    if not setting.with_peers:
        return
    if not _PYTHON.exists():
        setting.say("The official client is not beside it: it is not installed in .venv-wriftai-0.34.0.")
        return
    for said in streamed("official.py", setting.seeds, str(_PYTHON)):
        yield _official_outcome(said)


def _outcome(said: dict[str, Any]) -> Outcome:
    findings = tuple(Finding(Kind(kind), what) for kind, what in said["findings"])
    return Outcome(
        said["seed"],
        said["faults"],
        clear_errors=said["ended"] == "failed",
        error=said["error"],
        findings=findings,
        notes={"creates sent": said["creates"], "tasks killed": said["killed"]},
    )


def _official_outcome(said: dict[str, Any]) -> Outcome:
    findings = []
    if said["versions"] > 1:
        findings.append(Finding(Kind.DUPLICATED, f"{said['versions']} versions"))
    if said["versions"] == 0 and said["ended"] == "published":
        findings.append(Finding(Kind.LOST, "there is none"))
    return Outcome(
        said["seed"],
        said["faults"],
        clear_errors=said["ended"] == "failed",
        findings=tuple(findings),
        notes={"versions too many": max(0, said["versions"] - 1), "made twice by one call": said["after_one_call"] > 1},
        row=_OFFICIAL.name,
    )


SCENARIO = Scenario("publish-faults", (_OURS, _OFFICIAL), runs=1200, quick_runs=150, carry_out=_carry_out)
