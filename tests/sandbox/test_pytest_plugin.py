"""The pytest plugin, used as in the documentation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


def test_the_documented_test_passes(repository: Path, tmp_path: Path) -> None:
    """Each test has its own sandbox, so the documented test passes a second time."""
    conftest, test = re.findall(r"```python\n(.*?)```", (repository / "docs" / "sandbox.md").read_text(), re.DOTALL)
    isolated = """

def test_each_test_has_its_own_data(wriftai_sandbox):
    assert wriftai_sandbox.store.models() == []
    wriftai_sandbox.add_model("acme/other")
    assert wriftai_sandbox.versions("acme/other") == []
    assert wriftai_sandbox.token not in repr(wriftai_sandbox)
"""
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_documented.py").write_text(f"{test}\n{test.replace('def test_', 'def test_again_')}{isolated}")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "AIRFLOW_"))}
    environment |= {"AIRFLOW_HOME": str(tmp_path / "airflow"), "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
