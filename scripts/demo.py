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

from scripts.playground import MODEL, Playground, PlaygroundError, add_folder_option, background, told_in_a_sentence

DAG = "publish_after_build"
LOG = "demo.log"


def main() -> None:
    """Run the demo."""
    began = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__)
    add_folder_option(parser)
    playground = Playground(parser.parse_args().folder)
    with told_in_a_sentence(), playground.alone():
        (playground.folder / LOG).unlink(missing_ok=True)
        with step("1/4", "Start the WriftAI sandbox"), contextlib.ExitStack() as stack:
            url = stack.enter_context(playground.sandbox())
            running = stack.pop_all()
            print(f"      {url} (model {MODEL}, database {shown(playground.database)})")
        with running:
            environment = playground.airflow_environment(url)
            with step("2/4", "Prepare Airflow's database"):
                airflow(["db", "migrate"], environment, playground)
            with step("3/4", f"Let Airflow run {DAG}: build, publish, wait, prune"):
                airflow(["dags", "test", DAG], environment, playground, narrated=True)
            with step("4/4", "Collect the results"):
                results = results_of_last_run(environment)
    summarize(results, playground, time.monotonic() - began)


@contextlib.contextmanager
def step(number: str, what: str) -> Iterator[None]:
    """Tell that a step begins, and how long it took."""
    print(f"[{number}] {what} …", flush=True)
    began = time.monotonic()
    yield
    print(f"      done in {time.monotonic() - began:.0f} s", flush=True)


def airflow(
    arguments: list[str], environment: Mapping[str, str], playground: Playground, *, narrated: bool = False
) -> None:
    """Run an Airflow command; all it says goes to the log, and the provider's own lines to the terminal.

    Raises:
        PlaygroundError: The command failed.
    """
    command = [sys.executable, "-W", "ignore", "-m", "airflow", *arguments]
    path = playground.folder / LOG
    with path.open("a") as log, background(command, environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace")
            log.write(line)
            if narrated and (story := story_in(line)):
                print(f"      {story}", flush=True)
        if process.wait() != 0:
            log.flush()
            print("".join(path.read_text().splitlines(keepends=True)[-40:]), file=sys.stderr)
            raise PlaygroundError(f"airflow {' '.join(arguments)} failed; all it said is in {shown(path)}.")


def story_in(line: str) -> str | None:
    """Return the part of a log line that describes the pipeline: a task that starts, or a message of the provider."""
    if "[DAG TEST] starting task_id=" in line:
        return f"task {line.partition('task_id=')[2].split()[0]}"
    head, bracket, _ = line.partition("[airflow_provider_wriftai.")
    if not bracket:
        head, bracket, _ = line.partition("[airflow.task.operators.airflow_provider_wriftai.")
    return "  " + head.partition("]")[2].rstrip().removeprefix(" ") if bracket else None


def results_of_last_run(environment: Mapping[str, str]) -> dict[str, Any]:
    """Fetch what the tasks of the newest run returned."""
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
    # Airflow 2 has deserialized what it loads.
    read = XCom.deserialize_value if hasattr(xcom, "XComModel") else lambda row: row.value
    print(json.dumps({row.task_id: read(row) for row in rows}))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, DAG], env=dict(environment), stdout=subprocess.PIPE, check=False
    )
    if done.returncode != 0:
        raise PlaygroundError("The results could not be read from Airflow's database; see above.")
    results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return results


def shown(path: Path) -> str:
    """Write a path as short as it can be said from here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def counted(versions: Sized) -> str:
    """Say how many versions there are."""
    return f"{len(versions)} version{'' if len(versions) == 1 else 's'}"


def summarize(results: Mapping[str, Any], playground: Playground, seconds: float) -> None:
    """Print what happened."""
    version, report = results["publish_version"], results["prune_versions"]
    database = shown(playground.database)
    print(f"""
Published  {version["reference"]}
           {version["release_notes"]}
           image {version["container_image_digest"]}
Waited     {results["wait_for_version"]["reference"]} is there
Pruned     {counted(report["deleted"])} of {report["model"]}:""")
    for verdict in report["planned"]:
        print(f"           {verdict['reference']:<20} {verdict['reason']}")
    print(f"Kept       {counted(report['kept'])}:")
    for verdict in report["kept"]:
        print(f"           {verdict['reference']:<20} {verdict['reason']}")
    print(f"""
Database   {database} (SQLite); Airflow's own words: {shown(playground.folder / LOG)}
Next       make ui    the full Airflow (scheduler, triggerer, dag processor, web server) at http://localhost:8080
                      with the example DAGs, and the sandbox's page at http://localhost:8787
Took       {seconds:.0f} s""")


if __name__ == "__main__":
    main()
