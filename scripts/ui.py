"""``make ui``: run a complete Airflow with the example DAGs, and the sandbox, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from scripts.playground import Playground, PlaygroundError, add_folder_option, exit_cleanly, running_process

_START_TIMEOUT = 180.0
_COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")


def main() -> None:
    """Run Airflow and the sandbox until interrupted."""
    options = _parse()
    with exit_cleanly():
        for port, what in ((options.port, "Airflow"), (options.sandbox_port, "the sandbox")):
            require_free(port, what)
        playground = Playground(options.folder)
        with playground.lock(), playground.sandbox(options.sandbox_port) as sandbox_url:
            environment = playground.airflow_environment(sandbox_url, options.port)
            log = playground.folder / "ui.log"
            print(f"Starting Airflow. This takes about a minute. The log is {log}.", flush=True)
            command = [sys.executable, "-W", "ignore", "-m", "airflow", "standalone"]
            with (
                log.open("w") as output,
                running_process(command, environment, stdout=output.fileno(), stop_signal=signal.SIGINT) as process,
            ):
                wait_until_healthy(f"http://localhost:{options.port}", process)
                print(f"""
Airflow    http://localhost:{options.port}    (no password; try the DAG publish_after_build)
Sandbox    {sandbox_url.replace("127.0.0.1", "localhost")}    (models, versions, and requests)
Stop       Ctrl-C
""", flush=True)  # fmt: skip
                process.wait()
                raise PlaygroundError(f"Airflow ended unexpectedly. Its log is {log}.")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--port", type=int, default=8080, help="the port of Airflow's web server (default: %(default)s)"
    )
    parser.add_argument("--sandbox-port", type=int, default=8787, help="the port of the sandbox (default: %(default)s)")
    add_folder_option(parser)
    return parser.parse_args()


def require_free(port: int, what: str) -> None:
    """Check that a port is free.

    Raises:
        PlaygroundError: The port is in use.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise PlaygroundError(
                f"Port {port} is in use. Choose another one for {what}: make ui PORT=… SANDBOX_PORT=…"
            ) from None


def wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until all components of Airflow are healthy.

    Raises:
        PlaygroundError: Airflow ended, or was not healthy in time.
    """
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PlaygroundError("Airflow ended before it was healthy. See its log.")
        try:
            with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=5) as response:  # noqa: S310 - always http
                health = json.load(response)
        except (urllib.error.URLError, ConnectionError, TimeoutError, ValueError):
            health = {}
        if all(health.get(name, {}).get("status") == "healthy" for name in _COMPONENTS):
            return
        time.sleep(1)
    raise PlaygroundError(f"Airflow was not healthy within {_START_TIMEOUT:.0f} s. See its log.")


if __name__ == "__main__":
    main()
