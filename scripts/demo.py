"""``make demo``: publish, wait, and prune on a real Airflow, against the sandbox."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sized
from pathlib import Path
from typing import Any

from scripts.playground import MODEL, Playground, PlaygroundError, add_folder_option, exit_cleanly, running_process

DAG = "publish_after_build"
LOG = "demo.log"


def main() -> None:
    """Run the demo."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__)
    add_folder_option(parser)
    playground = Playground(parser.parse_args().folder)
    with exit_cleanly(), playground.lock():
        (playground.folder / LOG).unlink(missing_ok=True)
        with step("1/4", "Start the WriftAI sandbox"), contextlib.ExitStack() as stack:
            url = stack.enter_context(playground.sandbox())
            running = stack.pop_all()
            print(f"      {url} (model {MODEL}, database {format_path(playground.database)})")
        with running:
            environment = playground.airflow_environment(url)
            with step("2/4", "Prepare Airflow's database"):
                run_airflow(["db", "migrate"], environment, playground)
            with step("3/4", f"Let Airflow run {DAG}: build, publish, wait, prune"):
                run_airflow(["dags", "test", DAG], environment, playground, show_progress=True)
            with step("4/4", "Collect the results"):
                results = fetch_results(environment)
    summarize(results, playground, time.monotonic() - began)


@contextlib.contextmanager
def step(number: str, what: str) -> Iterator[None]:
    """Print the start and the duration of a step."""
    print(f"[{number}] {what} …", flush=True)
    began = time.monotonic()
    yield
    print(f"      done in {time.monotonic() - began:.0f} s", flush=True)


def run_airflow(
    arguments: list[str], environment: Mapping[str, str], playground: Playground, *, show_progress: bool = False
) -> None:
    """Run an Airflow command; write its output to the log.

    Args:
        arguments: The arguments of ``airflow``.
        environment: The environment variables.
        playground: The playground, whose folder has the log.
        show_progress: Whether to print each task that starts, and the provider's messages.

    Raises:
        PlaygroundError: The command failed.
    """
    command = [sys.executable, "-W", "ignore", "-m", "airflow", *arguments]
    path = playground.folder / LOG
    with path.open("a") as log, running_process(command, environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace")
            log.write(line)
            if show_progress and (progress := extract_progress(line)):
                print(f"      {progress}", flush=True)
        if process.wait() != 0:
            log.flush()
            print("".join(path.read_text().splitlines(keepends=True)[-40:]), file=sys.stderr)
            raise PlaygroundError(f"airflow {' '.join(arguments)} failed. Its output is in {format_path(path)}.")


def extract_progress(line: str) -> str | None:
    """Return the task that starts, or the provider's message, in a log line; None for other lines."""
    if "[DAG TEST] starting task_id=" in line:
        return f"task {line.partition('task_id=')[2].split()[0]}"
    head, bracket, _ = line.partition("[airflow_provider_wriftai.")
    if not bracket:
        head, bracket, _ = line.partition("[airflow.task.operators.airflow_provider_wriftai.")
    return "  " + head.partition("]")[2].rstrip().removeprefix(" ") if bracket else None


def fetch_results(environment: Mapping[str, str]) -> dict[str, Any]:
    """Fetch the return values of all tasks of the newest run."""
    code = """
import json, sys
from sqlalchemy import select
from airflow.models.dagrun import DagRun
from airflow.models import xcom
from airflow.utils.session import create_session
with create_session() as session:
    run = session.scalars(select(DagRun).where(DagRun.dag_id == sys.argv[1]).order_by(DagRun.id.desc())).first()
    XCom = getattr(xcom, "XComModel", None) or xcom.XCom  # Airflow 2
    rows = session.scalars(
        select(XCom).where(XCom.run_id == run.run_id, XCom.dag_id == sys.argv[1], XCom.key == "return_value")
    )
    # Airflow 2 has already deserialized the values.
    read = XCom.deserialize_value if hasattr(xcom, "XComModel") else lambda row: row.value
    print(json.dumps({row.task_id: read(row) for row in rows}))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, DAG], env=dict(environment), stdout=subprocess.PIPE, check=False
    )
    if done.returncode != 0:
        raise PlaygroundError("Cannot read the results from Airflow's database. The error is above.")
    results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return results


def format_path(path: Path) -> str:
    """Return a path relative to the working directory if it is below it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def format_count(versions: Sized) -> str:
    """Return the number of versions, with the noun."""
    return f"{len(versions)} version{'' if len(versions) == 1 else 's'}"


def summarize(results: Mapping[str, Any], playground: Playground, seconds: float) -> None:
    """Print a summary of the run."""
    version, report = results["publish_version"], results["prune_versions"]
    database = format_path(playground.database)
    print(f"""
Published  {version["reference"]}
           {version["release_notes"]}
           image {version["container_image_digest"]}
Waited     {results["wait_for_version"]["reference"]} is there
Pruned     {format_count(report["deleted"])} of {report["model"]}:""")
    for decision in report["planned"]:
        print(f"           {decision['reference']:<20} {decision['reason']}")
    print(f"Kept       {format_count(report['kept'])}:")
    for decision in report["kept"]:
        print(f"           {decision['reference']:<20} {decision['reason']}")
    print(f"""
Database   {database} (SQLite); Airflow's log: {format_path(playground.folder / LOG)}
Next       make ui    the full Airflow (scheduler, triggerer, dag processor, web server) at http://localhost:8080
                      with the example DAGs, and the sandbox's page at http://localhost:8787
Took       {seconds:.0f} s""")


if __name__ == "__main__":
    main()
