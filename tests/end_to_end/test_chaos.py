"""A small part of ``make chaos``: whatever goes wrong, nothing is lost, made twice or wrongly deleted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# As many runs as take some seconds each; those with a real Airflow are left to the campaign.
RUNS = {
    "publish-faults": 3,
    "publish-killed": 6,
    "prune-faults": 24,
    "prune-killed": 6,
    "service-killed": 1,
    "disk-full": 2,
    "token-revoked": 8,
    "clock-jumps": 4,
}
SEED = "3"

CHAOS = Path(__file__).resolve().parent.parent.parent / "chaos"
CAMPAIGN = CHAOS / "campaign.py"

# Draws a schedule of each kind, and shows it.


DRAWN = """
import sys
from prune_schedules import prune_schedule
from scenarios import disk_full, publish_killed, service_killed
from triggerer.plan import plan
seed = int(sys.argv[1])
for draw in (prune_schedule, publish_killed.plan, service_killed.outages, disk_full.plan):
    print(draw(seed))
print(plan(seed, 5))
"""


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{CHAOS}{os.pathsep}{CHAOS.parent / 'scripts'}"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a small campaign has written."""
    written = tmp_path_factory.mktemp("campaign") / "campaign.json"
    chosen = [f"{name}={runs}" for name, runs in RUNS.items()]
    done = _run(str(CAMPAIGN), "--seed", SEED, "--without-peers", "--json", str(written), "--only", *chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(written.read_text())
    return result


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", RUNS)
def test_nothing_is_lost_made_twice_or_wrongly_deleted(campaign: dict[str, Any], scenario: str) -> None:
    for left_out in campaign["left_out"]:
        if left_out["name"] == scenario:
            pytest.skip(left_out["why"])
    (row,) = [row for row in campaign["rows"] if row["name"] == scenario]
    assert row["runs"] >= RUNS[scenario]
    assert row["faults"] > 0
    assert row["findings"] == []
    assert {row[kind] or 0 for kind in ("lost", "duplicated", "wrongly deleted", "broken otherwise")} == {0}


def test_it_was_hard(campaign: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in campaign["rows"]}
    assert rows["publish-faults"]["faults"] > 50
    assert rows["prune-faults"]["faults"] > 50
    assert rows["publish-killed"]["faults"] >= 3
    assert rows["prune-killed"]["notes"]["tries"] > RUNS["prune-killed"]
    assert sum(row["clear errors"] for row in rows.values()) > 0
    assert any("401" in error for error in rows["token-revoked"]["examples of errors"])


def test_a_campaign_in_which_nothing_goes_wrong_fails() -> None:
    # This schedule has no fault.
    done = _run(str(CAMPAIGN), "--only", "prune-faults=1", "--seed", "107", "--without-peers")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "nothing went wrong, so nothing was shown" in done.stdout


@pytest.mark.parametrize("document", ["README.md", "docs/reliability.md"])
def test_the_documents_show_what_the_full_campaign_has_written(document: str, tmp_path: Path) -> None:
    written = (CHAOS.parent / document).read_text()
    if "<!-- reliability:begin -->" not in written:
        pytest.skip("it shows nothing of the campaign")
    copy = tmp_path / "copy.md"
    copy.write_text(written)
    done = _run(str(CHAOS / "reliability_page.py"), str(copy))
    assert done.returncode == 0, done.stderr
    assert copy.read_text() == written


def test_the_same_seed_gives_the_same_schedules() -> None:
    first, second, another = (_run("-c", DRAWN, seed) for seed in ("7", "7", "8"))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert len(first.stdout.splitlines()) == 5
    assert all(
        line != other for line, other in zip(first.stdout.splitlines(), another.stdout.splitlines(), strict=True)
    )
