"""A running sandbox, as the tests use it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_wriftai.sandbox.seed import seed
from airflow_provider_wriftai.sandbox.store import Store, StoredVersion

TOKEN = "token-of-acme-7f3k9"

SCHEMAS: dict[str, Any] = {"prediction": {"input": {"type": "object"}, "output": {"type": "string"}}}


@dataclass
class Sandbox:
    """A running sandbox, and what a test needs to use it."""

    url: str
    store: Store
    token: str = TOKEN
    _names: Iterator[int] = field(default_factory=itertools.count)

    def base_url(self, generation: int = 2) -> str:
        return f"{self.url}/generation-{generation}/v1"

    def new_model(self, versions: int = 0) -> str:
        """Make a model of its own for a test."""
        name = f"model-{next(self._names)}"
        seed(self.store, "acme", name, versions)
        return f"acme/{name}"

    def numbers(self, model: str) -> list[int]:
        """The numbers of a model's versions, newest first."""
        return [version.number for version in self.store.versions(*model.split("/"))]

    def version(self, model: str, number: int) -> StoredVersion:
        """A version that must exist."""
        owner, _, name = model.partition("/")
        found = self.store.version_by_number(owner, name, number)
        assert found is not None, f"{model}:{number} does not exist"
        return found

    def delete(self, model: str, number: int) -> None:
        """Delete a version, as somebody else would."""
        self.store.delete_version(self.version(model, number))

    def connection(self, **changes: Any) -> dict[str, Any]:
        """An Airflow connection to the sandbox, for an environment variable."""
        return {"conn_type": "wriftai", "host": self.base_url(), "password": self.token} | changes
