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

_PATIENCE = 20.0


class PlaygroundError(Exception):
    """A failure that is reported to the user in one sentence."""


class Playground:
    """Folder, secrets and environment of a playground.

    Args:
        folder: Where everything is kept; made if it is not there.
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
            made = {
                "token": secrets.token_urlsafe(24),
                "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                "jwt_secret": secrets.token_urlsafe(64),
            }
            unfinished = path.with_suffix(".new")
            unfinished.touch(mode=0o600)
            unfinished.write_text(json.dumps(made))
            unfinished.rename(path)
        loaded: dict[str, str] = json.loads(path.read_text())
        return loaded

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others out of the folder.

        Raises:
            PlaygroundError: Somebody is in it.
        """
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise PlaygroundError(
                    f"Another demo or Airflow is running in {self.folder}; stop that one first."
                ) from None
            yield

    @contextlib.contextmanager
    def sandbox(self, port: int = 0) -> Iterator[str]:
        """Run the sandbox.

        Args:
            port: Where it listens; 0 for any free port.

        Yields:
            Its URL.

        Raises:
            PlaygroundError: It did not start.
        """
        command = [
            *(sys.executable, "-u", "-m", "airflow_provider_wriftai.sandbox", "--port", str(port)),
            *("--database", str(self.database), "--model", f"{MODEL}={OLD_VERSIONS}"),
        ]
        environment = {**os.environ, "WRIFTAI_SANDBOX_TOKEN": self.token}
        with background(command, environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            if "http://" not in line:
                raise PlaygroundError("The sandbox did not start; what it said is above.")
            yield line.split()[-1]

    def airflow_environment(self, sandbox_url: str, port: int = 8080) -> dict[str, str]:
        """Build the environment of an Airflow that lives in the folder and talks to the sandbox.

        Args:
            sandbox_url: The sandbox's URL.
            port: Where Airflow's web server listens.
        """
        connection = {"conn_type": "wriftai", "host": f"{sandbox_url}/v1", "password": self.token}
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW_")}
        return {
            **inherited,
            # Airflow starts itself by its name.
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
            # Everybody who reaches it is an admin: nobody but this machine does.
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": self._secrets["jwt_secret"],
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "AIRFLOW__TRIGGERER__DEFAULT_CAPACITY": "100",
        }


def add_folder_option(parser: argparse.ArgumentParser) -> None:
    """Let the user say where the playground is."""
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".demo", help="where everything is kept (default: %(default)s)"
    )


@contextlib.contextmanager
def background(
    command: list[str], environment: Mapping[str, str], *, stdout: int | None = None, ends_by: int = signal.SIGTERM
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command beside this one, in a process group of its own that does not outlive the block.

    Args:
        command: The command line.
        environment: Its environment.
        stdout: As for ``subprocess.Popen``.
        ends_by: The signal that asks it to end.
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
        _end(process, ends_by)


def _end(process: subprocess.Popen[bytes], by: int) -> None:
    try:
        if process.poll() is None:
            process.send_signal(by)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE)
    finally:
        # Whatever is left of its group, even where it ended without its children, or after a second Ctrl-C.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextlib.contextmanager
def told_in_a_sentence() -> Iterator[None]:
    """Clean up and exit with a clear message on a failure, Ctrl-C, or SIGTERM."""
    # SIGINT too: it is ignored in a shell's background jobs, and would be by what they start.
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
