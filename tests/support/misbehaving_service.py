"""A service that misbehaves below HTTP: a script writes each byte to a raw socket."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Script = Callable[["Caller"], None]


@dataclass
class Caller:
    """One connection of a client.

    Attributes:
        sock: The socket.
        request: The last request that :meth:`read_request` read.
        ended: Set when the test is over, so that no script outlives it.
    """

    sock: socket.socket
    ended: threading.Event
    request: bytes = b""

    def read_request(self) -> bytes:
        """Read one request with its body."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                length = int(value)
        while len(body) < length:
            body += self._receive()
        self.request = head + b"\r\n\r\n" + body
        return self.request

    def _receive(self) -> bytes:
        chunk = self.sock.recv(65536)
        if not chunk:
            raise ConnectionError("the client hung up")
        return chunk

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def respond(self, body: bytes, *, status: str = "200 OK", headers: str = "") -> None:
        """Send a complete response."""
        self.send(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body)

    def trickle(self, data: bytes, every: float) -> None:
        """Send one byte at a time, with pauses, until the test is over or the client has disconnected."""
        for position in range(len(data)):
            if self.ended.wait(every):
                return
            self.send(data[position : position + 1])


@dataclass
class MisbehavingService:
    """The running service.

    Attributes:
        host: Its host and port.
        requests: The requests in the order of their arrival.
    """

    host: str
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}/v1"


@contextlib.contextmanager
def misbehaving(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[MisbehavingService]:
    """Run a service that handles every connection with a script."""
    ended = threading.Event()
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        service = MisbehavingService(f"127.0.0.1:{listener.getsockname()[1]}")

        def handle(sock: socket.socket) -> None:
            with contextlib.suppress(OSError):
                with tls.wrap_socket(sock, server_side=True) if tls else sock as wrapped:
                    wrapped.settimeout(60)
                    caller = Caller(wrapped, ended)
                    try:
                        script(caller)
                    finally:
                        if caller.request:
                            service.requests.append(caller.request)

        def accept() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                thread = threading.Thread(target=handle, args=(sock,), daemon=True)
                threads.append(thread)
                thread.start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield service
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
    acceptor.join()
    for thread in threads:
        thread.join()
