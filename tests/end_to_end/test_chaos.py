"""A small part of ``make chaos``: publications under random faults, of which none is lost and none made twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_no_publication_is_lost_or_made_twice(repository: Path, tmp_path: Path) -> None:
    written = tmp_path / "outcomes.json"
    done = subprocess.run(
        [sys.executable, repository / "chaos" / "publish.py", "--schedules", "120", "--seed", "1",
         "--without-official", "--json", written],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = json.loads(written.read_text())["outcomes"]
    assert len(outcomes) == 120
    assert [outcome for outcome in outcomes if outcome["finding"]] == []
    # That it was hard: many creates went wrong, and some tasks gave up with a clear error.
    assert sum(outcome["faults"] for outcome in outcomes) > 200
    assert sum(outcome["creates"] > 1 for outcome in outcomes) > 20
    assert any(outcome["ended"] == "failed" and outcome["error"] for outcome in outcomes)
