"""``make ui``: the full Airflow with the example DAGs, beside the sandbox, until Ctrl-C."""

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

from scripts.playground import Playground, PlaygroundError, add_folder_option, background, told_in_a_sentence

_PATIENCE = 180.0
_COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")


def main() -> None:
    """Run Airflow and the sandbox until interrupted."""
    options = parser().parse_args()
    with told_in_a_sentence():
        for port, what in ((options.port, "Airflow"), (options.sandbox_port, "the sandbox")):
            require_free(port, what)
        playground = Playground(options.folder)
        with playground.alone(), playground.sandbox(options.sandbox_port) as sandbox_url:
            environment = playground.airflow_environment(sandbox_url, options.port)
            log = playground.folder / "ui.log"
            print(f"Starting Airflow; this takes about a minute. Its log: {log}", flush=True)
            command = [sys.executable, "-W", "ignore", "-m", "airflow", "standalone"]
            with (
                log.open("w") as output,
                background(command, environment, stdout=output.fileno(), ends_by=signal.SIGINT) as process,
            ):
                wait_until_healthy(f"http://localhost:{options.port}", process)
                print(f"""
Airflow    http://localhost:{options.port}    (no password; try the DAG publish_after_build)
Sandbox    {sandbox_url.replace("127.0.0.1", "localhost")}    (models, versions, and requests)
Stop       Ctrl-C
""", flush=True)  # fmt: skip
                process.wait()
                raise PlaygroundError(f"Airflow ended by itself; see {log}.")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(description=__doc__)
    described.add_argument("--port", type=int, default=8080, help="Airflow's web server (default: %(default)s)")
    described.add_argument("--sandbox-port", type=int, default=8787, help="the sandbox (default: %(default)s)")
    add_folder_option(described)
    return described


def require_free(port: int, what: str) -> None:
    """Make sure that nobody listens on a port.

    Raises:
        PlaygroundError: Somebody does.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise PlaygroundError(
                f"Port {port} is taken; give {what} another one: make ui PORT=… SANDBOX_PORT=…"
            ) from None


def wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until every component of Airflow reports that it is well.

    Raises:
        PlaygroundError: It took too long, or Airflow ended.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PlaygroundError("Airflow ended before it was up; see its log.")
        try:
            with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=5) as response:  # noqa: S310 - always http
                health = json.load(response)
        except (urllib.error.URLError, ConnectionError, TimeoutError, ValueError):
            health = {}
        if all(health.get(name, {}).get("status") == "healthy" for name in _COMPONENTS):
            return
        time.sleep(1)
    raise PlaygroundError(f"Airflow was not up within {_PATIENCE:.0f} s; see its log.")


if __name__ == "__main__":
    main()
