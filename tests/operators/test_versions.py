from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wriftai.client.errors import NotFoundError
from airflow_provider_wriftai.operators.versions import WriftAICreateVersionOperator


@pytest.fixture(autouse=True)
def _connection(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))


def _create(model: str, **changes: Any) -> Any:
    parameters = {"model": model, "release_notes": "new", **changes}
    return WriftAICreateVersionOperator(task_id="publish", **parameters).execute({})


def test_the_version_comes_back_as_plain_json(sandbox: Any, digest: str, schemas: Any) -> None:
    model = sandbox.new_model()
    version = _create(model, image=f"registry/det@{digest}", schemas=schemas)
    assert version["reference"] == f"{model}:1"
    assert version["container_image_digest"] == digest
    assert json.loads(json.dumps(version)) == version
    again = _create(model, image=digest, schemas=json.dumps(schemas))
    assert again["reference"] == f"{model}:1"
    assert sandbox.numbers(model) == [1]


def test_a_file_that_a_build_left(sandbox: Any, digest: str, schemas: Any, tmp_path: Path) -> None:
    (tmp_path / "digest").write_text(digest)
    assert _create(sandbox.new_model(), image=str(tmp_path / "digest"), schemas=schemas)["number"] == 1


def test_a_mistake_fails_at_once_and_nothing_is_sent(sandbox: Any, schemas: Any) -> None:
    model = sandbox.new_model()
    asked = len(sandbox.store.requests(20_000))
    with pytest.raises(AirflowFailException, match="neither a digest") as caught:
        _create(model, image="latest", schemas=schemas, release_notes="x" * 256)
    assert "256 characters long" in str(caught.value)
    assert len(sandbox.store.requests(20_000)) == asked


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"if_exists": "maybe"}, "must be one of 'reuse', 'fail', 'create'"),
        ({"model": "acme"}, "owner/name"),
        ({"model": "other/model"}, "403 Forbidden"),
        ({"if_exists": "fail", "release_notes": "again"}, "has a version of image"),
    ],
)
def test_what_no_retry_can_fix_fails_at_once(
    sandbox: Any, digest: str, schemas: Any, changes: dict[str, Any], said: str
) -> None:
    model = sandbox.new_model()
    sandbox.store.add_model("other", "model")
    _create(model, image=digest, schemas=schemas)
    with pytest.raises(AirflowFailException, match=said):
        _create(changes.pop("model", model), image=digest, schemas=schemas, **changes)


def test_a_wrong_token_fails_at_once(sandbox: Any, digest: str, schemas: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(password="wrong-token")))
    with pytest.raises(AirflowFailException, match="401") as caught:
        _create(sandbox.new_model(), image=digest, schemas=schemas)
    assert "wrong-token" not in str(caught.value)


def test_what_may_pass_is_left_to_airflows_retries(digest: str, schemas: Any) -> None:
    with pytest.raises(NotFoundError):
        _create("acme/not-made-yet", image=digest, schemas=schemas)
