"""Run a real Airflow (scheduler, executor, triggerer, and the other processes of Airflow 3) for a test."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import airflow
import psutil
import sqlalchemy

from tests.support.polling import until
from tests.support.ports import free_port
from tests.support.postgres import find_postgres, running_postgres

AIRFLOW_2 = airflow.__version__.startswith("2.")
# Airflow's state stores of tasks and assets keep values over tries and restarts.
HAS_STORES = tuple(map(int, airflow.__version__.split(".")[:2])) >= (3, 3)
_PROCESSES = ("scheduler", "triggerer") if AIRFLOW_2 else ("api-server", "scheduler", "dag-processor", "triggerer")


def one_task_at_a_time() -> bool:
    """Return whether Airflow can run only one task at a time here, as Airflow 2 does on SQLite."""
    return AIRFLOW_2 and find_postgres() is None


def process_at(port: int) -> psutil.Process:
    """Return the process that uses a port as its end of a connection."""
    (pid,) = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.laddr and connection.laddr.port == port and connection.pid not in (None, os.getpid())
    }
    return psutil.Process(pid)


@dataclass
class RealAirflow:
    """A running Airflow and its database.

    Attributes:
        home: ``AIRFLOW_HOME``, which also contains the logs.
        url: The URL of the UI and the REST API.
    """

    home: Path
    url: str
    _engine: sqlalchemy.Engine
    _processes: dict[str, _Process]
    _environment: Mapping[str, str]

    def command(self, *arguments: str) -> str:
        """Run an ``airflow`` command and return its output."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    @staticmethod
    def read_json(value: Any) -> Any:
        """Parse a JSON column, whose type differs between databases and versions of Airflow."""
        while isinstance(value, str | bytes | memoryview):
            value = json.loads(bytes(value) if isinstance(value, memoryview) else value)
        return value

    def triggers(self) -> list[str]:
        """Return the class names of all triggers in the database."""
        return sorted(row[0].rpartition(".")[2] for row in self.fetch("SELECT classpath FROM trigger"))

    def kill(self, name: str) -> None:
        """Kill a process and all its descendants."""
        self._processes[name].kill()

    def pid(self, name: str) -> int:
        """Return the id of a process, which is also the id of its process group."""
        return self._processes[name].pid

    def start(self, name: str) -> None:
        """Start a process that was killed."""
        self._processes[name].start()

    def task(self, dag: str, task: str) -> tuple[str | None, int]:
        """Return the state and the try number of a task in the latest run; the state is None without a run."""
        rows = self.fetch(
            "SELECT state, try_number FROM task_instance WHERE dag_id = :dag AND task_id = :task ORDER BY run_id DESC",
            dag=dag, task=task,
        )  # fmt: skip
        return (rows[0][0], rows[0][1]) if rows else (None, 0)

    def instances(self, dag: str, task: str) -> list[tuple[str | None, int]]:
        """Return the state and the try number of each instance of a mapped task, in the order of the map indexes."""
        rows = self.fetch(
            "SELECT state, try_number FROM task_instance WHERE dag_id = :dag AND task_id = :task ORDER BY map_index",
            dag=dag, task=task,
        )  # fmt: skip
        return [(row[0], row[1]) for row in rows]

    def until(self, dag: str, task: str, *states: str) -> int:
        """Poll until a task has one of the states, and return its try number."""

        def in_state() -> tuple[str | None, int] | None:
            current = self.task(dag, task)
            return current if current[0] in states else None

        reached = until(in_state, lambda: f"{dag}.{task} is {self.task(dag, task)}\n{self.logs(dag, task)}")
        assert reached is not None
        return reached[1]

    def events(self) -> list[Any]:
        """Return the extra of every asset event, the oldest first."""
        return [self.read_json(row[0]) for row in self.fetch("SELECT extra FROM asset_event ORDER BY id")]

    def checkpoints(self) -> list[Any]:
        """Return the values in the asset state store (Airflow 3.3)."""
        return [self.read_json(row[0]) for row in self.fetch("SELECT value FROM asset_state_store")]

    def results(self, dag: str, task: str) -> list[Any]:
        """Return the results of a task in all runs."""
        rows = self.fetch(
            "SELECT value FROM xcom WHERE dag_id = :dag AND task_id = :task AND key = 'return_value' ORDER BY run_id",
            dag=dag, task=task,
        )  # fmt: skip
        return [self.read_json(row[0]) for row in rows]

    def result(self, dag: str, task: str) -> Any:
        """Return the result of a task in its first run."""
        return self.results(dag, task)[0]

    def logs(self, dag: str, task: str) -> str:
        """Return the logs of all tries of a task."""
        files = sorted((self.home / "logs").glob(f"dag_id={dag}/**/task_id={task}/**/*.log"))
        return "\n".join(file.read_text(errors="replace") for file in files)

    def fetch(self, query: str, **values: Any) -> list[Any]:
        """Return the rows of an SQL query to the database."""
        with self._engine.connect() as connection:
            return list(connection.execute(sqlalchemy.text(query), values).all())


@contextlib.contextmanager
def running_airflow(
    folder: Path, dags: Path, environment: Mapping[str, str], more: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> Iterator[RealAirflow]:
    """Run Airflow, on PostgreSQL with the LocalExecutor if the machine has PostgreSQL.

    Args:
        folder: The folder in which to create ``AIRFLOW_HOME``.
        dags: The folder of the DAG files.
        environment: Additional environment variables.
        more: Additional processes: the arguments of ``airflow``, by the name of the process.

    Yields:
        The running Airflow, which may not have parsed any DAG yet.
    """
    postgres = find_postgres()
    with contextlib.ExitStack() as stack:
        home = folder / "airflow"
        home.mkdir()
        url = stack.enter_context(running_postgres(postgres)) if postgres else f"sqlite:///{home}/airflow.db"
        executor = "SequentialExecutor" if one_task_at_a_time() else "LocalExecutor"
        port = free_port()
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW_")}
        variables = {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__EXECUTOR": executor,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
            "AIRFLOW__API__WORKERS": "1",
            # Other Airflows on this machine serve logs too.
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__API_AUTH__JWT_SECRET": "of these tests " * 8,
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            # Airflow notices a dead worker within seconds. The first two names are those of Airflow 2.
            "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "10",
            "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "3",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
            "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
            **environment,
        }
        command = [sys.executable, "-m", "airflow"]
        done = subprocess.run([*command, "db", "migrate"], env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        commands = {**{name: [name] for name in _PROCESSES}, **more}
        processes = {
            name: _Process([*command, *arguments], variables, home / f"{name}.log")
            for name, arguments in commands.items()
        }
        for process in processes.values():
            stack.enter_context(process)
        engine = sqlalchemy.create_engine(url)
        stack.callback(engine.dispose)
        yield RealAirflow(home, f"http://localhost:{port}", engine, processes, variables)


class _Process:
    """A process of Airflow in its own session. It must not end by itself."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._command = command
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def pid(self) -> int:
        assert self._process is not None, "the process was killed"
        return self._process.pid

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            # Since Airflow 3.3, each task has a process group of its own.
            descendants = _descendants(process.pid)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            for each in descendants:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            process.wait()

    def __enter__(self) -> None:
        self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        process = self._process
        if process is None:
            return
        ended_by_itself = process.poll() is not None
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        self.kill()
        if error is None:
            assert not ended_by_itself, f"{self._command[-1]} ended by itself:\n{self._log.read_text()[-5000:]}"


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
