"""What every benchmark shares: a sandbox in a process of its own, repeated and interleaved runs, a table and JSON."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
TOKEN = secrets.token_urlsafe(24)
OWNER, NAME = "acme", "detector"


@dataclass(frozen=True)
class Figure:
    """One row of a report.

    Attributes:
        work: What was done.
        unit: What the numbers count.
        ours: Our runs.
        peer: The peer's name.
        peers: The peer's runs, each next to one of ours.
        goal: What the ratio is meant to be, in words.
        met: Whether the median ratio meets it; None where there is no goal.
        note: What else was seen.
    """

    work: str
    unit: str
    ours: Sequence[float]
    peer: str
    peers: Sequence[float]
    goal: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        """The median, over the pairs of runs, of ours to the peer's."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.ours, self.peers, strict=True))


@contextlib.contextmanager
def sandbox(*options: str, versions: int = 1) -> Iterator[tuple[str, Path]]:
    """Run a sandbox in a process of its own.

    Args:
        options: Of its command.
        versions: How many versions its model has.

    Yields:
        Its URL, and its database.
    """
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "sandbox.db"
        command = [
            *(sys.executable, "-u", "-m", "airflow_provider_wriftai.sandbox", "--port", "0", *options),
            *("--database", str(database), "--model", f"{OWNER}/{NAME}={versions}"),
        ]
        environment = {**os.environ, "WRIFTAI_ACCESS_TOKEN": TOKEN}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield process.stdout.readline().split()[-1], database
            finally:
                process.terminate()


def run_script(script: str, *arguments: object, python: Path | str = sys.executable) -> dict[str, float]:
    """Run one of the workloads in a fresh process, and read the numbers that it prints as JSON."""
    command = [str(python), str(Path(__file__).parent / "workloads" / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    numbers: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return numbers


def in_turn(
    times: int, ours: Callable[[], Mapping[str, float]], theirs: Callable[[], Mapping[str, float]]
) -> tuple[list[Mapping[str, float]], list[Mapping[str, float]]]:
    """Run two workloads in turn, so that a machine that gets slower or faster does so for both."""
    mine, others = [], []
    for _ in range(times):
        mine.append(ours())
        others.append(theirs())
    return mine, others


def official_client(version: str) -> Path:
    """The Python of the environment that has an official client."""
    python = ROOT / f".venv-wriftai-{version}" / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"wriftai {version} is not installed; 'make bench' does that.")
    return python


def judged(figure: Figure, most: float) -> Figure:
    """Tell whether a figure's ratio meets its goal."""
    return Figure(**{**vars(figure), "met": figure.ratio <= most})


def refusals(url: str) -> int:
    """Count the 429s that a sandbox has given lately, on its page of requests."""
    with urllib.request.urlopen(f"{url}/requests") as page:  # noqa: S310 - always http
        text: str = page.read().decode()
    return text.count('<td class="number">429</td>')


def machine() -> dict[str, object]:
    """Say what the numbers were measured on."""
    return {"processors": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}


def report(name: str, figures: Sequence[Figure]) -> None:
    """Print a table, and write it as JSON."""
    heads = ("work", "ours", "peer", "ratio", "goal", "")
    rows = [
        (
            figure.work,
            f"{_told(figure.ours)} {figure.unit}",
            f"{_told(figure.peers)} {figure.unit} ({figure.peer})",
            f"{figure.ratio:.2f}",
            figure.goal,
            "" if figure.met is None else "met" if figure.met else "MISSED",
        )
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    for row in [heads, tuple("-" * width for width in widths), *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for figure in figures:
        if figure.note:
            print(f"{figure.work}: {figure.note}")
    RESULTS.mkdir(exist_ok=True)
    written = [{**asdict(figure), "ratio": figure.ratio} for figure in figures]
    (RESULTS / f"{name}.json").write_text(json.dumps({"machine": machine(), "figures": written}, indent=2) + "\n")


def _told(values: Sequence[float]) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.4g} [{low:.4g} – {high:.4g}]" if len(values) > 1 else f"{middle:.4g}"
