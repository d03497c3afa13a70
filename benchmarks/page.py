"""Write the latest results and their plots to ``docs/benchmarks.md``."""

from __future__ import annotations

import json
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.figures import HEADS, format_row
from benchmarks.machine import format_machine
from benchmarks.measure import LATEST
from scripts.documents import markdown_table, replace_section

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "the same picture of the same numbers"

from matplotlib import pyplot as plt  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "images"
OURS, PEERS = "#1f77b4", "#999999"
TITLES = {
    "imports": "What a DAG file pays",
    "client": "Requests to the API",
    "rate_limit": "One token, many processes",
    "publishing": "Publishing",
    "prune": "Pruning",
    "wait": "Waiting: requests, time, and memory",
    "airflow_waits": "Waiting: what it costs Airflow",
}


def main() -> None:
    """Write the page and its plots."""
    latest = json.loads(LATEST.read_text())
    IMAGES.mkdir(exist_ok=True)
    for name, result in latest.items():
        plot_ratios(name, result["figures"])
    plot_waits(latest["wait"]["figures"])
    replace_section(PAGE, "benchmarks", f"\n{format_page(latest)}\n")


def format_page(latest: Mapping[str, Any]) -> str:
    """Return the section of each benchmark: its table, plot, and notes."""
    parts = []
    for name, result in latest.items():
        figures = result["figures"]
        parts += [f"## {TITLES[name]}", format_measurement(result), markdown_table(HEADS, map(format_row, figures))]
        parts.append(f"![{TITLES[name]}: ours divided by the peer's](images/benchmarks-{name.replace('_', '-')}.svg)")
        notes = dict.fromkeys(f"- {figure['work']}: {figure['note']}." for figure in figures if figure["note"])
        parts += ["\n".join(notes)] if notes else []
        if name == "wait":
            parts.append("![Our waits and triggers that each poll alone](images/benchmarks-waits.svg)")
    return "\n\n".join(parts)


def format_measurement(result: Mapping[str, Any]) -> str:
    """Return a sentence with the time and the machine of a measurement."""
    moment = result["measured"].replace("T", " ").removesuffix("+00:00")
    return f"Measured on {moment} UTC, in {result['seconds']} s, on {format_machine(result['machine'])}."


def plot_ratios(name: str, figures: Sequence[Mapping[str, Any]]) -> None:
    """Plot our share of the peer's time, memory, or requests, for one section of the page."""
    rows = [figure for figure in figures if figure["ratio"]]
    figure, axes = plt.subplots(figsize=(8, 0.75 * len(rows) + 1.2), layout="constrained")
    names = [textwrap.fill(f"{each['work']} ({each['peer']})", 42) for each in rows]
    bars = axes.barh(names, [each["ratio"] for each in rows], color=OURS, left=0.0)
    axes.bar_label(bars, [f"{each['ratio']:.2f}" for each in rows], padding=4, fontsize=11)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.2)
    axes.axvline(1, color="black", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("ours divided by the peer's (less is better)", fontsize=12)
    axes.tick_params(labelsize=11)
    save(figure, name.replace("_", "-"))


def plot_waits(figures: Sequence[Mapping[str, Any]]) -> None:
    """Plot the cost by number of waits, for our waits and for triggers that each poll alone."""
    kinds = {
        "requests per interval": "requests per interval",
        "CPU per interval": "seconds of CPU per interval",
        "event loop lag, p99": "event loop lag, p99 (ms)",
    }
    figure, panels = plt.subplots(1, len(kinds), figsize=(12, 3.6), layout="constrained")
    for axes, (kind, label) in zip(panels, kinds.items(), strict=True):
        rows = [(count_waits(each), each) for each in figures if each["work"].endswith(f": {kind}")]
        for who, color in (("ours", OURS), ("peers", PEERS)):
            points = [(number, statistics.median(each[who])) for number, each in rows if each[who]]
            axes.plot(*zip(*points, strict=True), marker="o", color=color, label=who)
        axes.set(xscale="log", yscale="log")
        axes.set_xlabel("number of waits", fontsize=12)
        axes.set_ylabel(label, fontsize=12)
        axes.tick_params(labelsize=11)
        axes.legend(fontsize=11)
    save(figure, "waits")


def count_waits(figure: Mapping[str, Any]) -> int:
    """Return the number of waits that a figure measures."""
    return int(figure["work"].partition(" ")[0].replace(",", ""))


def save(figure: Any, name: str) -> None:
    """Write a plot to the images of the documentation."""
    figure.savefig(IMAGES / f"benchmarks-{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
