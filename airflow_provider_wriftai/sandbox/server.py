"""The sandbox as a running server: in the foreground, or in a thread beside something else."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette


def listen(host: str, port: int) -> socket.socket:
    """Take a port; from now on connections queue up, so nobody has to wait for the server to be ready.

    Args:
        host: The address to listen on.
        port: The port; 0 for any free one.

    Raises:
        OSError: The port is taken, or the address is not this machine's.
    """
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512)


def serve(app: Starlette, listener: socket.socket) -> None:
    """Serve until interrupted (SIGINT or SIGTERM)."""
    _server(app).run(sockets=[listener])


@contextlib.contextmanager
def running(app: Starlette, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve from a thread of this process.

    Yields:
        The server's URL, without a trailing slash.
    """
    listener = listen(host, port)
    server = _server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="wriftai-sandbox", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _server(app: Starlette) -> uvicorn.Server:
    # asyncio's own loop: uvloop, where it is installed, can lose an interrupt that comes while it starts.
    return uvicorn.Server(
        uvicorn.Config(
            app,
            loop="asyncio",
            lifespan="off",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=5,
        )
    )
