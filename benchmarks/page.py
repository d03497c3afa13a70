"""Write the latest results into the documents: ``docs/benchmarks.md`` with its plots."""

from __future__ import annotations

import json
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.figures import HEADS, row_of
from benchmarks.machine import told
from benchmarks.measure import LATEST
from scripts.marks import markdown_table, put_between

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
    """Write everything."""
    latest = json.loads(LATEST.read_text())
    IMAGES.mkdir(exist_ok=True)
    for name, result in latest.items():
        plot_ratios(name, result["figures"])
    plot_waits(latest["wait"]["figures"])
    put_between(PAGE, "benchmarks", f"\n{page(latest)}\n")


def page(latest: Mapping[str, Any]) -> str:
    """The tables, with what else was seen."""
    parts = []
    for name, result in latest.items():
        figures = result["figures"]
        parts += [f"## {TITLES[name]}", measured(result), markdown_table(HEADS, map(row_of, figures))]
        parts.append(f"![{TITLES[name]}: ours divided by the peer's](images/benchmarks-{name.replace('_', '-')}.svg)")
        noted = dict.fromkeys(f"- {figure['work']}: {figure['note']}." for figure in figures if figure["note"])
        parts += ["\n".join(noted)] if noted else []
        parts += ["![Waits beside triggers that poll each on its own](images/benchmarks-waits.svg)"] * (name == "wait")
    return "\n\n".join(parts)


def measured(result: Mapping[str, Any]) -> str:
    """When the numbers of a benchmark were measured, and on what."""
    moment = result["measured"].replace("T", " ").removesuffix("+00:00")
    return f"Measured on {moment} UTC, in {result['seconds']} s, on {told(result['machine'])}."


def plot_ratios(name: str, figures: Sequence[Mapping[str, Any]]) -> None:
    """Draw how much of a peer's time, memory, or requests ours takes, for one section of the page."""
    shown = [figure for figure in figures if figure["ratio"]]
    figure, axes = plt.subplots(figsize=(8, 0.75 * len(shown) + 1.2), layout="constrained")
    names = [textwrap.fill(f"{each['work']} ({each['peer']})", 42) for each in shown]
    bars = axes.barh(names, [each["ratio"] for each in shown], color=OURS, left=0.0)
    axes.bar_label(bars, [f"{each['ratio']:.2f}" for each in shown], padding=4, fontsize=11)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.2)
    axes.axvline(1, color="black", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("ours divided by the peer's (less is better)", fontsize=12)
    axes.tick_params(labelsize=11)
    save(figure, name.replace("_", "-"))


def plot_waits(figures: Sequence[Mapping[str, Any]]) -> None:
    """Draw how waits grow, beside triggers that poll each on its own."""
    kinds = {
        "requests an interval": "requests per interval",
        "CPU an interval": "seconds of CPU per interval",
        "lag p99": "lag of the event loop, p99 (ms)",
    }
    figure, panels = plt.subplots(1, len(kinds), figsize=(12, 3.6), layout="constrained")
    for axes, (kind, label) in zip(panels, kinds.items(), strict=True):
        rows = [(number_of(each), each) for each in figures if each["work"].endswith(f": {kind}")]
        for who, color in (("ours", OURS), ("peers", PEERS)):
            points = [(number, statistics.median(each[who])) for number, each in rows if each[who]]
            axes.plot(*zip(*points, strict=True), marker="o", color=color, label=who)
        axes.set(xscale="log", yscale="log")
        axes.set_xlabel("number of waits", fontsize=12)
        axes.set_ylabel(label, fontsize=12)
        axes.tick_params(labelsize=11)
        axes.legend(fontsize=11)
    save(figure, "waits")


def number_of(figure: Mapping[str, Any]) -> int:
    """How many waits a figure is about."""
    return int(figure["work"].partition(" ")[0].replace(",", ""))


def save(figure: Any, name: str) -> None:
    """Write a picture."""
    figure.savefig(IMAGES / f"benchmarks-{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
