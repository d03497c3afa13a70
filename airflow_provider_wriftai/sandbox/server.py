"""The sandbox as a running server: in the foreground, or in a thread beside something else."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from airflow_provider_wriftai.sandbox.connections import KnownConnection


def listen(host: str, port: int) -> socket.socket:
    """Take a port; from now on connections queue up, so nobody has to wait for the server to be ready.

    Args:
        host: The address to listen on.
        port: The port; 0 for any free one.

    Raises:
        OSError: The port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=512)
    # What is accepted inherits it; asyncio sets it only on sockets that it made itself, and without it a response
    # of two packets waits 40 ms for the first one's acknowledgment.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until interrupted (SIGINT or SIGTERM)."""
    _server(app).run(sockets=[listener])


@contextlib.contextmanager
def running(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve from a thread of this process.

    Yields:
        The server's URL, without a trailing slash.
    """
    listener = listen(host, port)
    with run_in_thread(_server(app), listener):
        yield f"http://{host}:{listener.getsockname()[1]}"


@contextlib.contextmanager
def run_in_thread(server: uvicorn.Server, listener: socket.socket) -> Iterator[None]:
    """Run a server in a thread of this process, and end it with the block."""
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="wriftai-sandbox", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _server(app: ASGIApp) -> uvicorn.Server:
    # asyncio's own loop: uvloop, where it is installed, can lose an interrupt that comes while it starts.
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=KnownConnection,
            loop="asyncio",
            lifespan="off",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=5,
        )
    )
