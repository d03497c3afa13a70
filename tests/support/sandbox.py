"""The sandbox that the tests share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_wriftai.sandbox.seed import seed
from airflow_provider_wriftai.sandbox.store import Store, StoredVersion

TOKEN = "token-of-acme-7f3k9"

SCHEMAS: dict[str, Any] = {"prediction": {"input": {"type": "object"}, "output": {"type": "string"}}}

_OWNER = "acme"
_NAME = "model-"


def find_requests(store: Store, path: str) -> list[dict[str, Any]]:
    """Return the requests whose path contains another path, such as that of a model, newest first."""
    return [entry for entry in store.requests(100_000) if f"/{path}/" in f"{entry['path']}/"]


@dataclass
class Sandbox:
    """A running sandbox, its data, and the token of its user."""

    url: str
    store: Store
    token: str = TOKEN
    _names: Iterator[int] = field(default_factory=itertools.count)

    def base_url(self, generation: int = 2) -> str:
        return f"{self.url}/generation-{generation}/v1"

    def new_model(self, versions: int = 0) -> str:
        """Create a model and return its name, which no other test uses."""
        name = f"{_NAME}{next(self._names)}"
        seed(self.store, _OWNER, name, versions)
        return f"{_OWNER}/{name}"

    def numbers(self, model: str) -> list[int]:
        """Return the numbers of a model's versions, newest first."""
        return [version.number for version in self.store.versions(*model.split("/"))]

    def count_requests(self, model: str = "") -> int:
        """Return the number of requests for a model, and for none. Earlier tests may still have requests for theirs."""
        paths = [entry["path"] for entry in self.store.requests(100_000)]
        return sum(f"/{model}/" in f"{path}/" or f"/{_OWNER}/{_NAME}" not in path for path in paths)

    def version(self, model: str, number: int) -> StoredVersion:
        """Return a version, which must exist."""
        owner, _, name = model.partition("/")
        found = self.store.version_by_number(owner, name, number)
        assert found is not None, f"{model}:{number} does not exist"
        return found

    def delete(self, model: str, number: int) -> None:
        """Delete a version, as another user would."""
        self.store.delete_version(self.version(model, number))

    def connection(self, **changes: Any) -> dict[str, Any]:
        """Return an Airflow connection to the sandbox, for an environment variable."""
        return {"conn_type": "wriftai", "host": self.base_url(), "password": self.token} | changes
