"""A small part of ``make chaos``: no fault loses, duplicates, or wrongly deletes a version."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Each scenario takes some seconds. Only the full campaign includes the scenario with a real Airflow.
RUNS = {
    "publish_explored": 3,
    "publish_killed": 6,
    "prune_killed": 6,
    "prune_faults": 16,
    "token_revoked": 6,
    "reservations": 4,
}
SEED = "3"

DRAW = """
import random, sys
from chaos.kill_points import draw_point
from chaos.nemesis import draw_delete_fault, draw_read_fault
draw = random.Random(sys.argv[1])
print([draw_read_fault(draw) for _ in range(9)])
print([draw_delete_fault(draw) for _ in range(9)])
print([draw_point(draw, "/versions$", ("POST", "/versions$"), 1.0) for _ in range(9)])
"""

ROOT = Path(__file__).resolve().parents[2]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of a small campaign."""
    file = tmp_path_factory.mktemp("campaign") / "campaign.json"
    selected = [f"{name}={runs}" for name, runs in RUNS.items()]
    done = _run("-m", "chaos", "--seed", SEED, "--json", str(file), "--only", *selected)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(file.read_text())
    return result


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", RUNS)
def test_nothing_is_lost_duplicated_or_wrongly_deleted(campaign: dict[str, Any], scenario: str) -> None:
    assert campaign["left_out"] == []
    (row,) = [row for row in campaign["rows"] if row["name"] == scenario]
    assert row["runs"] >= RUNS[scenario]
    assert row["faults"] > 0
    assert row["findings"] == []


def test_enough_faults_happened(campaign: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in campaign["rows"]}
    assert rows["publish_explored"]["faults"] > 50
    assert rows["prune_faults"]["faults"] > 30
    assert rows["publish_killed"]["faults"] >= 3
    assert rows["prune_killed"]["notes"]["tries"] > RUNS["prune_killed"]
    assert any("401" in error for error in rows["token_revoked"]["examples of errors"])


@pytest.mark.parametrize("document", ["docs/reliability.md"])
def test_the_documents_show_the_latest_full_campaign(document: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.md"
    copy.write_text((ROOT / document).read_text())
    done = _run("-m", "chaos.reliability_page", str(copy))
    assert done.returncode == 0, done.stderr
    assert copy.read_text() == (ROOT / document).read_text()


def test_the_same_seed_gives_the_same_faults() -> None:
    first, second, another = (_run("-c", DRAW, seed) for seed in ("7", "7", "8"))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout != another.stdout
