from __future__ import annotations

from airflow_provider_wriftai.domain.publishing.outcome import PublishOutcome


def test_a_version_is_new_if_this_task_made_it() -> None:
    assert {outcome for outcome in PublishOutcome if outcome.is_new} == {"created", "adopted"}
