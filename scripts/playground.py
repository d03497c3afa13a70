"""A playground: the sandbox on localhost, and an Airflow home that is connected to it."""

from __future__ import annotations

import argparse
import base64
import contextlib
import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = "acme/sentiment"
OLD_VERSIONS = 12

_STOP_TIMEOUT = 20.0


class PlaygroundError(Exception):
    """An error that the user sees without a traceback."""


class Playground:
    """The folder, secrets, and environment of a playground.

    Args:
        folder: The folder for all files; created if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = self.folder / "sandbox.db"
        self._secrets = self._load_secrets()

    @property
    def token(self) -> str:
        """The sandbox's access token."""
        return self._secrets["token"]

    def _load_secrets(self) -> dict[str, str]:
        path = self.folder / "secrets.json"
        if not path.exists():
            generated = {
                "token": secrets.token_urlsafe(24),
                "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                "jwt_secret": secrets.token_urlsafe(64),
            }
            partial = path.with_suffix(".new")
            partial.touch(mode=0o600)
            partial.write_text(json.dumps(generated))
            partial.rename(path)
        loaded: dict[str, str] = json.loads(path.read_text())
        return loaded

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder during a block.

        Raises:
            PlaygroundError: Another process has locked the folder.
        """
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise PlaygroundError(
                    f"Another demo or Airflow is running in {self.folder}; stop that one first."
                ) from None
            yield

    @contextlib.contextmanager
    def sandbox(self, port: int = 0) -> Iterator[str]:
        """Run the sandbox.

        Args:
            port: The port of the sandbox; 0 for any free port.

        Yields:
            The URL of the sandbox.

        Raises:
            PlaygroundError: The sandbox did not start.
        """
        command = [
            *(sys.executable, "-u", "-m", "airflow_provider_wriftai.sandbox", "--port", str(port)),
            *("--database", str(self.database), "--model", f"{MODEL}={OLD_VERSIONS}"),
        ]
        environment = {**os.environ, "WRIFTAI_SANDBOX_TOKEN": self.token}
        with running_process(command, environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            if "http://" not in line:
                raise PlaygroundError("The sandbox did not start. Its output is above.")
            yield line.split()[-1]

    def airflow_environment(self, sandbox_url: str, port: int = 8080) -> dict[str, str]:
        """Return the environment of an Airflow that has its home in the folder and a connection to the sandbox.

        Args:
            sandbox_url: The URL of the sandbox.
            port: The port of Airflow's web server.
        """
        connection = {"conn_type": "wriftai", "host": f"{sandbox_url}/v1", "password": self.token}
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW_")}
        return {
            **inherited,
            # Airflow starts its components with the command "airflow".
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(connection),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__FERNET_KEY": self._secrets["fernet_key"],
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
            "AIRFLOW__API__PORT": str(port),
            # All users are admins, so the server must be reachable only from this machine.
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": self._secrets["jwt_secret"],
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "AIRFLOW__TRIGGERER__DEFAULT_CAPACITY": "100",
        }


def add_folder_option(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--folder``."""
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".demo", help="the folder for all files (default: %(default)s)"
    )


@contextlib.contextmanager
def running_process(
    command: list[str], environment: Mapping[str, str], *, stdout: int | None = None, stop_signal: int = signal.SIGTERM
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in its own process group, which is stopped at the end of the block.

    Args:
        command: The command line.
        environment: The environment variables.
        stdout: As in ``subprocess.Popen``.
        stop_signal: The signal that stops the command.
    """
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=stdout,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _stop(process, stop_signal)


def _stop(process: subprocess.Popen[bytes], stop_signal: int) -> None:
    try:
        if process.poll() is None:
            process.send_signal(stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_TIMEOUT)
    finally:
        # Kill the rest of the group, also if the process ended without its children, or after a second Ctrl-C.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextlib.contextmanager
def exit_cleanly() -> Iterator[None]:
    """Exit with a message instead of a traceback on a ``PlaygroundError``, Ctrl-C, or SIGTERM."""
    # Shells ignore SIGINT in background jobs, and child processes inherit that.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except PlaygroundError as failure:
        print(f"\n{failure}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("\nInterrupted; everything that was started has been stopped.", file=sys.stderr)
        raise SystemExit(130) from None
