from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wriftai._airflow import compat
from airflow_provider_wriftai._airflow.metrics import count, timed
from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator, WriftAIDeleteVersionOperator
from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor
from airflow_provider_wriftai.triggers.versions import WriftAIVersionTrigger
from tests.support.sandbox import Sandbox


class Stats:
    """Airflow's ``Stats``, which keeps what is counted and timed."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.timed: dict[str, float] = {}

    def incr(self, name: str, number: int) -> None:
        self.counted[name] += number

    def timing(self, name: str, milliseconds: float) -> None:
        self.timed[name] = milliseconds


@pytest.fixture
def stats(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Stats:
    stats = Stats()
    monkeypatch.setattr(compat, "Stats", stats, raising=False)
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))
    return stats


def test_tasks_count_their_results_and_requests(sandbox: Sandbox, stats: Stats, digest: str, schemas: Any) -> None:
    model = sandbox.new_model(versions=3)
    context: Any = {}
    for _ in range(2):
        WriftAICreateVersionOperator(
            task_id="p", model=model, image=digest, release_notes="x", schemas=schemas
        ).execute(context)
    WriftAIDeleteVersionOperator(task_id="d", version=f"{model}:1").execute(context)
    WriftAIDeleteVersionOperator(task_id="d", version=f"{model}:1").execute(context)
    WriftAICleanupVersionsOperator(task_id="c", model=model, keep_last=1).execute(context)
    WriftAIVersionSensor(task_id="w", version=f"{model}:4").execute(context)
    assert {name: number for name, number in stats.counted.items() if not name.startswith("wriftai.requests")} == {
        "wriftai.publish.created": 1,
        "wriftai.publish.reused": 1,
        "wriftai.delete.deleted": 1,
        "wriftai.delete.already_gone": 1,
        "wriftai.prune.deleted": 2,
        "wriftai.wait.polls.ok": 1,
    }
    assert (stats.counted["wriftai.requests.post.201"], stats.counted["wriftai.requests.delete.204"]) == (1, 3)
    assert stats.counted["wriftai.requests.delete.404"] == 1
    assert set(stats.timed) == {"wriftai.publish.duration", "wriftai.prune.duration"}


def test_triggers_count_how_their_waits_end(sandbox: Sandbox, stats: Stats) -> None:
    model = sandbox.new_model(versions=1)

    async def run() -> None:
        for number, connection in ((1, "wriftai_default"), (2, "wriftai_default"), (1, "no_such")):
            trigger = WriftAIVersionTrigger(
                criteria={"version": f"{model}:{number}"},
                poll_interval=0.01,
                deadline=(datetime.now(UTC) + timedelta(seconds=0.05)).isoformat(),
                max_consecutive_failures=0,
                wriftai_conn_id=connection,
            )
            async for _ in trigger.run():
                pass

    asyncio.run(run())
    counted = {name: stats.counted[f"wriftai.wait.{name}"] for name in ("ready", "timeout", "failed")}
    assert counted == {"ready": 1, "timeout": 1, "failed": 1}


def test_a_broken_metrics_backend_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "Stats", object(), raising=False)
    count("x")
    with timed("x"):
        pass


def test_a_block_that_fails_is_timed_too(stats: Stats) -> None:
    with pytest.raises(LookupError), timed("x"):
        raise LookupError
    assert "wriftai.x.duration" in stats.timed


def test_every_metric_is_documented(repository: Path) -> None:
    text = (repository / "docs" / "metrics.md").read_text()
    package = repository / "airflow_provider_wriftai"
    source = "".join(file.read_text() for file in package.glob("*/*.py"))
    names = re.findall(r"""\bcount\(\s*f?"([a-z_.]+)""", source)
    assert len(names) >= 5
    assert {name for name in names if f"`wriftai.{name}" not in text} == set()
