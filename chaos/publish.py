"""Publish under random faults, with time compressed: how many versions are lost, how many made twice?

``python chaos/publish.py [--schedules N] [--seed S] [--without-official]``
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from schedules import MODES, schedule

HERE = Path(__file__).resolve().parent
TOKEN = secrets.token_urlsafe(24)
WORKERS = 2
PROGRESS_EVERY = 10.0

Outcome = dict[str, Any]


def main() -> int:
    """Run the campaign.

    Returns:
        1 where anything was lost or made twice by us, else 0.
    """
    options = _options()
    print(f"{options.schedules} schedules, seeds {options.seed} to {options.seed + options.schedules - 1}", flush=True)
    began = time.monotonic()
    outcomes = run("ours.py", sys.executable, options.seed, options.schedules)
    seconds = time.monotonic() - began
    bad = report(outcomes, seconds)
    if not options.without_official:
        python = HERE.parent / ".venv-wriftai-0.34.0" / "bin" / "python"
        report_official(run("official.py", str(python), options.seed, options.schedules))
    if options.json:
        options.json.write_text(json.dumps({"seed": options.seed, "seconds": seconds, "outcomes": outcomes}) + "\n")
    return 1 if bad else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=3000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule (default: %(default)s)")
    parser.add_argument("--without-official", action="store_true", help="do not run the official client beside it")
    parser.add_argument("--json", type=Path, help="where to write every outcome")
    return parser.parse_args()


def run(worker: str, python: str, seed: int, count: int) -> list[Outcome]:
    """Let workers carry the schedules out, each against a sandbox of its own; tells how far they are."""
    outcomes: queue.Queue[Outcome] = queue.Queue()
    seen: list[Outcome] = []
    began = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        shares = [pool.submit(_work, worker, python, range(seed + n, seed + count, WORKERS), outcomes.put)
                  for n in range(WORKERS)]  # fmt: skip
        while not all(share.done() for share in shares):
            wait(shares, timeout=PROGRESS_EVERY)
            while not outcomes.empty():
                seen.append(outcomes.get())
            rate = len(seen) / (time.monotonic() - began)
            if rate and len(seen) < count:
                print(
                    f"  {len(seen)} of {count}, {rate:.0f} a second, {(count - len(seen)) / rate:.0f} s to go",
                    flush=True,
                )
        for share in shares:
            share.result()
    while not outcomes.empty():
        seen.append(outcomes.get())
    if len(seen) != count:
        raise SystemExit(f"{worker} ended after {len(seen)} of {count} schedules")
    return sorted(seen, key=lambda outcome: int(outcome["seed"]))


def _work(worker: str, python: str, seeds: range, tell: Callable[[Outcome], None]) -> None:
    """Run one worker beside a sandbox of its own."""
    environment = {**os.environ, "WRIFTAI_ACCESS_TOKEN": TOKEN, "PYTHONPATH": str(HERE)}
    with tempfile.TemporaryDirectory() as folder:
        database = str(Path(folder) / "sandbox.db")
        serve = [sys.executable, "-u", "-m", "airflow_provider_wriftai.sandbox", "--port", "0", "--rate-limit", "0"]
        with _running([*serve, "--database", database], environment) as sandbox:
            url = sandbox.readline().split()[-1]
            script = str(HERE / "workers" / worker)
            arguments = [url, database, TOKEN, str(seeds.start), str(seeds.step), str(len(seeds))]
            with _running([python, script, *arguments], environment) as lines:
                for line in lines:
                    tell(json.loads(line))


@contextmanager
def _running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[IO[str]]:
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.terminate()


def report(outcomes: Sequence[Outcome], seconds: float) -> list[Outcome]:
    """Tell what became of our publications, a row for each mode and generation.

    Returns:
        Those with which something is wrong.
    """
    findings = [outcome for outcome in outcomes if outcome["finding"]]
    print(f"\n{'':22}{'schedules':>10}{'faults':>8}{'published':>11}{'clear error':>13}{'adopted':>9}"
          f"{'duplicates':>12}{'lost':>6}")  # fmt: skip
    rows = [(mode, generation) for mode in MODES for generation in (1, 2)]
    for mode, generation in [*rows, ("all", 0)]:
        mine = [outcome for outcome in outcomes
                if mode == "all" or _kind(outcome["seed"]) == (mode, generation)]  # fmt: skip
        ended = Counter(outcome["ended"] for outcome in mine)
        faults = sum(outcome["faults"] for outcome in mine)
        duplicates = sum(outcome["finding"].startswith("duplicate") for outcome in mine)
        lost = sum(bool(outcome["finding"]) for outcome in mine) - duplicates
        adopted = sum(outcome.get("left", 0) for outcome in mine)
        name = f"{mode}, generation {generation}" if generation else "all"
        print(f"{name:22}{len(mine):>10}{faults:>8}{ended['published']:>11}{ended['failed']:>13}{adopted:>9}"
              f"{duplicates:>12}{lost:>6}")  # fmt: skip
    creates = Counter(outcome["creates"] for outcome in outcomes)
    print(f"creates sent for a version: {dict(sorted(creates.items()))}; {seconds:.0f} s")
    for finding in findings:
        print(f"WRONG with seed {finding['seed']}: {finding['finding']}\n{finding['error']}")
    return findings


def report_official(outcomes: Sequence[Outcome]) -> None:
    """Tell what became of the official client's."""
    once = sum(outcome["after_one_call"] > 1 for outcome in outcomes)
    twice = sum(outcome["versions"] > 1 for outcome in outcomes)
    more = sum(max(0, outcome["versions"] - 1) for outcome in outcomes)
    none = sum(outcome["versions"] == 0 for outcome in outcomes)
    print(f"wriftai 0.34.0 under the same {len(outcomes)} schedules: in {once}, one call of create made more than one")
    print(f"version; with the task's tries in {twice}, {more} versions too many in all; none was made in {none}")


def _kind(seed: int) -> tuple[str, int]:
    plan = schedule(seed)
    return plan.mode, plan.generation


if __name__ == "__main__":
    raise SystemExit(main())
