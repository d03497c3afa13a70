"""Models to begin with: a history of nightly builds."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_wriftai.sandbox.store import Store

_SCHEMAS: dict[str, Any] = {
    "prediction": {
        "input": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        "output": {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]},
    }
}


def seed(store: Store, owner: str, name: str, versions: int) -> bool:
    """Make a model with one version a day up to yesterday, unless it has versions already.

    Args:
        store: Where the model is made.
        owner: Its owner.
        name: Its name.
        versions: How many versions it begins with.

    Returns:
        Whether it had no versions before.
    """
    store.add_model(owner, name)
    if store.versions_below(owner, name, None, 1):
        return False
    for days_ago in range(versions, 0, -1):
        build = versions - days_ago + 1
        store.create_version(
            owner,
            name,
            release_notes=f"Nightly build {build}",
            schemas=_SCHEMAS,
            container_image_digest="sha256:" + hashlib.sha256(f"{owner}/{name} build {build}".encode()).hexdigest(),
            created_at=datetime.now(UTC) - timedelta(days=days_ago),
        )
    return True
