"""The service that workloads use: a sandbox in this process, with injected faults."""

from __future__ import annotations

import queue
import re
import secrets
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.faults import Fault, FaultEvent, Faults
from airflow_provider_wriftai.sandbox.rate_limit import RateLimit
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.store import Store, StoredVersion, _hash

OWNER = "acme"

T = TypeVar("T")


class Service:
    """A sandbox, its database, and its faults.

    Attributes:
        folder: The folder for files of the runs.
        store: The database of the sandbox.
        url: The URL of the sandbox.
    """

    def __init__(self, folder: Path, store: Store, url: str, faults: Faults) -> None:
        self.folder = folder
        self.store = store
        self.url = url
        self._faults = faults
        self._events: list[FaultEvent] = []
        self._forgotten_ports: set[int] = set()

    def connection(self, token: str, generation: int, **extra: Any) -> dict[str, Any]:
        """Return an Airflow connection to the service."""
        host = f"{self.url}/generation-{generation}/v1"
        return {"conn_type": "wriftai", "host": host, "password": token, "extra": extra}

    def new_token(self) -> str:
        """Create a token."""
        token = secrets.token_urlsafe(24)
        self.store.add_token(token, OWNER)
        return token

    def revoke(self, token: str) -> None:
        """Revoke a token."""
        self.store._rows("DELETE FROM tokens WHERE sha256 = ?", _hash(token))

    def add_model(self, name: str, versions: int = 0) -> str:
        """Create a model with some versions of other images; return ``owner/name``."""
        self.store.add_model(OWNER, name)
        for number in range(1, versions + 1):
            self.publish(name, f"old {number}", f"sha256:{number:064x}")
        return f"{OWNER}/{name}"

    def publish(self, name: str, notes: str, digest: str, **fields: Any) -> StoredVersion:
        """Publish a version on behalf of somebody else."""
        return self.store.create_version(
            OWNER, name, release_notes=notes, schemas={}, container_image_digest=digest, **fields
        )

    def versions(self, name: str, digest: str | None = None) -> list[StoredVersion]:
        """Return the versions of a model, or of one image in it, newest first."""
        found = self.store.versions(OWNER, name)
        return [version for version in found if digest in (None, version.container_image_digest)]

    def add_faults(self, faults: Sequence[dict[str, Any]]) -> None:
        """Inject faults."""
        self._faults.add([Fault.model_validate(fault) for fault in faults])

    def pending(self) -> list[Fault]:
        """Return the faults that no request has taken yet."""
        return self._faults.pending()

    def end_faults(self) -> None:
        """End all faults, and complete what is in progress."""
        self._faults.clear()
        request = urllib.request.Request(f"{self.url}/faults/release", method="POST")  # noqa: S310 - always http
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310
        self.forget()

    def find_event(self, stage: str, method: str, path: str = "") -> FaultEvent | None:
        """Return an event of a request with a fault that has reached a stage; None if there is none."""
        while not self._faults.events.empty():
            event = self._faults.events.get_nowait()
            if event.port not in self._forgotten_ports:
                self._events.append(event)
        for event in self._events:
            if (event.stage, event.method) == (stage, method) and re.search(path, event.path):
                return event
        return None

    def forget(self) -> None:
        """Forget all events so far, and ignore later events of the same TCP connections."""
        self.find_event("", "")
        self._forgotten_ports |= {event.port for event in self._events}
        self._events.clear()


def name_of(version: StoredVersion, generation: int) -> str:
    """Return the reference of a version in a generation of the API."""
    return version.id if generation == 1 else f"{version.owner}/{version.name}:{version.number}"


@contextmanager
def running_service(folder: Path, rate_limit: RateLimit | None = None) -> Iterator[Service]:
    """Run a service that keeps its files in a new folder."""
    folder.mkdir()
    faults = Faults()
    with (
        closing(Store(folder / "sandbox.db")) as store,
        running(create_app(store, rate_limit, faults=faults)) as url,
    ):
        yield Service(folder, store, url, faults)


def run_on_services(run: Callable[[int, Service], T], seeds: range, folder: Path, services: int) -> Iterator[T]:
    """Call ``run`` for each seed, concurrently, each on its own service; yield the results as they complete."""
    with ExitStack() as stack:
        free: queue.Queue[Service] = queue.Queue()
        for number in range(services):
            free.put(stack.enter_context(running_service(folder / f"service-{number}")))

        def run_one(seed: int) -> T:
            service = free.get()
            try:
                return run(seed, service)
            finally:
                free.put(service)

        pool = stack.enter_context(ThreadPoolExecutor(services))
        pending = [pool.submit(run_one, seed) for seed in seeds]
        try:
            for done in as_completed(pending):
                yield done.result()
        finally:
            for each in pending:
                each.cancel()
