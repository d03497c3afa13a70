"""Ports for servers that a test starts."""

from __future__ import annotations

import random
import socket

# Below the ephemeral ports (from 32768 on Linux, from 49152 elsewhere): an outgoing connection could take one of those
# before the server does.
_PORTS = range(15_000, 32_000)


def free_port() -> int:
    """Return a port that is not in use."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
