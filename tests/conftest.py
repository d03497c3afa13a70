"""Fixtures for all tests, above all a sandbox over a real socket, and a temporary ``AIRFLOW_HOME``."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Airflow reads AIRFLOW_HOME only once, when it is imported.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-home-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
# Processes share their rate limit in this folder. Runs of the tests must not share it.
os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="runtime-")

import pytest
from hypothesis import settings

from airflow_provider_wriftai.client import rate_limiter, retrying
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.backoff import Backoff
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.faults import Faults
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.store import Store
from tests.support.sandbox import SCHEMAS, TOKEN, Sandbox

# Tests run on slow machines. Benchmarks measure the time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _load_providers_on_airflow_2() -> None:
    """Load the providers before any test: Airflow 2 does so with the first asset, and issues warnings."""
    if importlib.metadata.version("apache-airflow").startswith("2."):
        from airflow.providers_manager import ProvidersManager

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module("airflow.models.taskinstance")
            ProvidersManager()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session", autouse=True)
def _record_airflow_version(record_testsuite_property: Callable[[str, object], None]) -> None:
    record_testsuite_property("airflow", importlib.metadata.version("apache-airflow"))


@pytest.fixture
def shows(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Record for the compatibility table that a feature works on this Airflow."""
    return lambda feature: record_property("shows", feature)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client retry without delays."""
    monkeypatch.setattr(retrying, "_BACKOFF", Backoff(0.0))
    monkeypatch.setattr(rate_limiter, "PROBE_PATIENCE", 0.0)
    monkeypatch.setattr(rate_limiter, "_SHORTEST_WAIT_AFTER_429", 0.0)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox without a rate limit."""
    store = Store(tmp_path_factory.mktemp("sandbox") / "sandbox.db")
    store.add_token(TOKEN, "acme")
    with running(create_app(store)) as url:
        yield Sandbox(url, store)
    store.close()


@pytest.fixture(scope="session")
def faulty(sandbox: Sandbox) -> Iterator[tuple[str, Faults]]:
    """The URL of a sandbox with the same data and with faults, and these faults."""
    faults = Faults()
    with running(create_app(sandbox.store, faults=faults)) as url:
        yield url, faults


@pytest.fixture
def faults(faulty: tuple[str, Faults]) -> Iterator[Faults]:
    """The faults of the faulty sandbox, which are cleared after each test."""
    _, faults = faulty
    yield faults
    faults.clear()
    while not faults.events.empty():
        faults.events.get()


@pytest.fixture(params=[1, 2], ids=["generation-1", "generation-2"])
def generation(request: pytest.FixtureRequest) -> int:
    """Each generation of the API in turn."""
    value: int = request.param
    return value


@pytest.fixture
def api(sandbox: Sandbox, generation: int) -> Iterator[API]:
    """The API of each generation in turn."""
    with API(sandbox.base_url(generation), TOKEN) as client:
        yield client


@pytest.fixture
def versions(api: API) -> Versions:
    """The versions module, in each generation in turn."""
    return Versions(api)


@pytest.fixture
def digest() -> str:
    """A digest that no seeded version has."""
    return "sha256:" + "0123456789abcdef" * 4


@pytest.fixture
def schemas() -> dict[str, Any]:
    """Schemas that the service accepts."""
    return SCHEMAS


@pytest.fixture
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent
