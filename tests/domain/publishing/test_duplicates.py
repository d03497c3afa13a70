"""Two tasks publish the same image at the same moment."""

from __future__ import annotations

import pytest

from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.publishing.errors import VersionExistsError
from airflow_provider_wriftai.domain.publishing.options import IfExists
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from tests.support.publishing import Network, Publish, someone_else_publishes
from tests.support.sandbox import Sandbox


@pytest.mark.parametrize("if_exists", ["reuse", "fail"])
def test_of_two_tasks_that_create_at_the_same_time_the_younger_deletes_its_own(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, params: CreateVersionParams,
    if_exists: IfExists,
) -> None:  # fmt: skip
    network.before_post = lambda: someone_else_publishes(sandbox, model, params, release_notes="theirs")
    if if_exists == "reuse":
        published = publish_it(if_exists=if_exists, on_duplicate="delete_own")
        assert (published.outcome, published.version.release_notes) == ("reused", "theirs")
    else:
        with pytest.raises(VersionExistsError):
            publish_it(if_exists=if_exists, on_duplicate="delete_own")
    assert sandbox.numbers(str(model)) == [3, 2, 1]
    assert sandbox.store.versions(model.owner, model.name)[0].release_notes == "theirs"


def test_the_older_of_two_tasks_keeps_its_own(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, params: CreateVersionParams
) -> None:
    network.after_post = lambda: someone_else_publishes(sandbox, model, params, release_notes="theirs")
    assert publish_it(on_duplicate="delete_own").version.release_notes == "new"
    assert sandbox.numbers(str(model)) == [4, 3, 2, 1]


def test_two_tasks_that_create_at_the_same_time_are_reported(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, params: CreateVersionParams,
    generation: int, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    network.before_post = lambda: someone_else_publishes(sandbox, model, params)
    publish_it()
    assert sandbox.numbers(str(model)) == [4, 3, 2, 1]
    # In generation 1, nothing in the response shows it.
    assert (f"While this task created {model}:4, others published {model}:3." in caplog.text) is (generation == 2)


def test_numbers_of_versions_that_were_deleted_before_are_not_reported(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.delete(str(model), 2)
    publish_it()
    assert sandbox.numbers(str(model)) == [3, 1]
    assert "others published" not in caplog.text


def test_the_version_of_another_task_is_not_adopted_after_a_lost_response(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, network: Network, params: CreateVersionParams,
    faults: Faults, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    network.before_post = lambda: someone_else_publishes(sandbox, model, params, release_notes="theirs")
    faults.add([Fault(method="POST", response="drop")])
    published = publish_it(on_duplicate="delete_own")
    assert (published.outcome, published.version.release_notes) == ("reused", "theirs")
    assert sandbox.numbers(str(model)) == [4, 3, 2, 1]
    assert "are versions of the same image" in caplog.text
