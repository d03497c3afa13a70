"""Ports for servers that a test starts."""

from __future__ import annotations

import random
import socket

# Below those that the system gives to outgoing connections (from 32768 on Linux, from 49152 elsewhere), one of which
# could take the port before the server does.
_PORTS = range(15_000, 32_000)


def free_port() -> int:
    """Find a port that nobody listens on."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311
        with socket.socket() as taken:
            try:
                taken.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
