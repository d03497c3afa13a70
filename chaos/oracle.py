"""Which versions are due to be pruned, as SQLite tells it: written from the documentation, and not from the product.

Needs nothing but Python.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from control import Control
from retention_rules import Rules

# Rank 1 is the newest; where several were created at the same time, all of them are.
_DUE = """
WITH ranked AS (
    SELECT *, CASE WHEN :generation = 2 THEN rank() OVER (ORDER BY number DESC)
                   ELSE rank() OVER (ORDER BY created_at DESC) END AS place
    FROM versions WHERE owner = :owner AND name = :name
)
SELECT id FROM ranked
WHERE place > 1
  AND (:keep_last IS NULL OR place > :keep_last)
  AND (:created_before IS NULL OR created_at < :created_before)
  AND id NOT IN (SELECT value FROM json_each(:protected_ids))
  AND container_image_digest NOT IN (SELECT value FROM json_each(:protected_digests))
  AND (:word IS NULL OR instr(lower(release_notes), :word) = 0)
  AND (:only IS NULL OR id IN (SELECT value FROM json_each(:only)))
"""


def due(control: Control, owner: str, name: str, generation: int, rules: Rules) -> set[str]:
    """Ask the database which versions of a model have to go now, and no others.

    Args:
        control: The sandbox from behind.
        owner: The model's owner.
        name: Its name.
        generation: How the service names versions: only numbers tell for sure which of two is newer.
        rules: What is kept.

    Returns:
        The ids of the versions that are due; none where more are than may go at once.
    """
    oldest = datetime.now(UTC) - timedelta(days=rules.older_than_days) if rules.older_than_days is not None else None
    values = {
        "generation": generation,
        "owner": owner,
        "name": name,
        "keep_last": rules.keep_last,
        "created_before": oldest.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if oldest else None,
        "protected_ids": json.dumps(rules.protected_ids),
        "protected_digests": json.dumps(rules.protected_digests),
        "word": rules.protected_word,
        "only": None if rules.only is None else json.dumps(rules.only),
    }
    found = {str(row[0]) for row in control.named_rows(_DUE, values)}
    return set() if rules.max_deletions is not None and len(found) > rules.max_deletions else found
