"""A pytest fixture that runs a sandbox for each test.

Enable it in a ``conftest.py``::

    pytest_plugins = ["airflow_provider_wriftai.sandbox.pytest_plugin"]
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.faults import Faults
from airflow_provider_wriftai.sandbox.seed import seed
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.store import Store, StoredVersion

_OWNER = "acme"


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that runs on localhost, without a rate limit.

    Attributes:
        url: The URL of its pages.
        store: Its data.
        faults: The faults to inject into requests.
        token: An access token that acts for the owner ``acme``.
    """

    url: str
    store: Store
    faults: Faults
    token: str = field(repr=False)

    @property
    def base_url(self) -> str:
        """The base URL of the API."""
        return f"{self.url}/v1"

    @property
    def connection(self) -> dict[str, str]:
        """An Airflow connection to the sandbox."""
        return {"conn_type": "wriftai", "host": self.base_url, "password": self.token}

    def add_model(self, model: str, versions: int = 0) -> None:
        """Create a model with one version a day up to yesterday.

        Args:
            model: The model, ``owner/name``.
            versions: How many versions it has.
        """
        seed(self.store, *_split(model), versions)

    def versions(self, model: str) -> list[StoredVersion]:
        """Return the versions of a model, newest first."""
        return self.store.versions(*_split(model))


@pytest.fixture
def wriftai_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    """A sandbox for one test; the Airflow connection ``wriftai_default`` leads to it."""
    store, faults, token = Store(tmp_path / "wriftai-sandbox.db"), Faults(), secrets.token_urlsafe(24)
    store.add_token(token, _OWNER)
    try:
        with running(create_app(store, faults=faults)) as url:
            sandbox = RunningSandbox(url, store, faults, token)
            monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection))
            yield sandbox
            faults.clear()
    finally:
        store.close()


def _split(model: str) -> tuple[str, str]:
    owner, slash, name = model.partition("/")
    if not (owner and slash and name) or "/" in name:
        raise ValueError(f"model must be 'owner/name'; got {model!r}.")
    return owner, name
