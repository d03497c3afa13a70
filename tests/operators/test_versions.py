from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from airflow import DAG

from airflow_provider_wriftai._airflow.compat import AirflowFailException, Asset, AssetAlias
from airflow_provider_wriftai.assets.events import version_of
from airflow_provider_wriftai.assets.models import model_asset
from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import NotFoundError
from airflow_provider_wriftai.client.versions import Versions
from airflow_provider_wriftai.domain.errors import TaskStoppedError
from airflow_provider_wriftai.operators.versions import (
    STATE_KEY,
    WriftAICreateVersionOperator,
    WriftAIDeleteVersionOperator,
    WriftAIGetVersionOperator,
    WriftAIUpdateVersionConfigurationOperator,
)
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from tests.support.marked_task_instance import MarkedTaskInstance
from tests.support.sandbox import SCHEMAS, Sandbox, find_requests


@pytest.fixture(autouse=True)
def _connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection()))


def _create(model: str, **changes: Any) -> Any:
    parameters = {"model": model, "release_notes": "new", **changes}
    return WriftAICreateVersionOperator(task_id="publish", **parameters).execute({})


def test_the_version_comes_back_as_plain_json(sandbox: Sandbox, digest: str, schemas: Any) -> None:
    model = sandbox.new_model()
    version = _create(model, image=f"registry/det@{digest}", schemas=schemas)
    assert version["reference"] == f"{model}:1"
    assert (version["container_image_digest"], version["outcome"]) == (digest, "created")
    assert all(value is None or isinstance(value, str | int) for value in version.values())
    assert json.loads(json.dumps(version)) == version
    again = _create(model, image=digest, schemas=json.dumps(schemas))
    assert (again["reference"], again["outcome"]) == (f"{model}:1", "reused")
    assert sandbox.numbers(model) == [1]


def test_the_output_file_of_a_build_is_read(sandbox: Sandbox, digest: str, schemas: Any, tmp_path: Path) -> None:
    (tmp_path / "digest").write_text(digest)
    assert _create(sandbox.new_model(), image=str(tmp_path / "digest"), schemas=schemas)["number"] == 1


def test_a_warning_about_the_image_is_logged(
    sandbox: Sandbox, digest: str, schemas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MagicMock()
    monkeypatch.setattr(WriftAICreateVersionOperator, "log", log)
    _create(sandbox.new_model(), image={"imageDigest": digest, "imagePushed": False}, schemas=schemas)
    assert any("Jib did not push the image" in str(call.args) for call in log.warning.call_args_list)


@pytest.mark.parametrize("parameter", ["image_selector", "compatibilities", "configuration"])
@pytest.mark.parametrize("value", [None, "None", ""])
def test_an_optional_parameter_that_rendered_to_nothing_is_not_ignored(
    sandbox: Sandbox, digest: str, schemas: Any, parameter: str, value: str | None
) -> None:
    model = sandbox.new_model(versions=1)
    with pytest.raises(AirflowFailException, match=f"{parameter}|has no image named"):
        _create(model, image=digest, schemas=schemas, **{parameter: value})
    assert sandbox.numbers(model) == [1]


def test_a_mistake_fails_at_once_and_nothing_is_sent(sandbox: Sandbox, schemas: Any) -> None:
    model = sandbox.new_model()
    requests = sandbox.count_requests(model)
    with pytest.raises(AirflowFailException, match="neither a digest") as caught:
        _create(model, image="latest", schemas=schemas, release_notes="x" * 256)
    assert "256 characters long" in str(caught.value)
    assert sandbox.count_requests(model) == requests


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"if_exists": "maybe"}, "must be one of 'reuse', 'fail', 'create'"),
        ({"lookback": "0"}, "lookback must be an integer from 1 to 50; got '0'"),
        ({"lookback": 51}, "lookback must be an integer from 1 to 50; got 51"),
        ({"settle_seconds": "-1"}, "settle_seconds must be a number of seconds from 0 to 3600"),
        ({"settle_seconds": "nan"}, "settle_seconds must be a number of seconds"),
        ({"remember": "maybe"}, "remember must be true or false"),
        ({"model": "acme"}, "owner/name"),
        ({"model": "other/model"}, "403 Forbidden"),
        ({"if_exists": "fail", "release_notes": "again"}, "already has a version of image"),
    ],
)
def test_what_no_retry_can_fix_fails_at_once(
    sandbox: Sandbox, digest: str, schemas: Any, changes: dict[str, Any], message: str
) -> None:
    model = sandbox.new_model()
    sandbox.store.add_model("other", "model")
    _create(model, image=digest, schemas=schemas)
    with pytest.raises(AirflowFailException, match=message):
        _create(**{"model": model, **changes}, image=digest, schemas=schemas)


def test_a_wrong_token_fails_at_once(
    sandbox: Sandbox, digest: str, schemas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(sandbox.connection(password="wrong-token")))
    with pytest.raises(AirflowFailException, match="401") as caught:
        _create(sandbox.new_model(), image=digest, schemas=schemas)
    assert "wrong-token" not in str(caught.value)


def test_a_retryable_error_is_left_to_airflows_retries(digest: str, schemas: Any) -> None:
    with pytest.raises(NotFoundError):
        _create("acme/not-made-yet", image=digest, schemas=schemas)


class Store(dict[str, Any]):
    """The part of Airflow's task state store that the operator uses."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


def _operator(model: str, digest: str, schemas: Any, **changes: Any) -> WriftAICreateVersionOperator:
    return WriftAICreateVersionOperator(
        task_id="publish", model=model, image=digest, schemas=schemas, release_notes="new", **changes
    )


def test_a_task_with_state_makes_one_version_however_often_it_is_cleared(
    sandbox: Sandbox, digest: str, schemas: Any
) -> None:
    model, store = sandbox.new_model(), Store()
    context: Any = {"task_state_store": store, "ti": SimpleNamespace(try_number=1)}
    operator = _operator(model, digest, schemas, if_exists="create")
    first = operator.execute(context)
    context["ti"].try_number = 2
    assert operator.execute(context)["reference"] == first["reference"]
    assert sandbox.numbers(model) == [1]
    assert set(store) == {STATE_KEY}
    assert sandbox.token not in json.dumps(store)

    forgetful = _operator(model, digest, schemas, if_exists="create", remember="False")
    assert forgetful.execute(context)["number"] == 2


def test_the_parameters_of_generation_2_are_sent(sandbox: Sandbox, digest: str, schemas: Any) -> None:
    model = sandbox.new_model()
    _create(
        model, image=digest, schemas=schemas, compatibilities={"openai_embeddings": True},
        configuration={"hardware_identifier": "gpu-1", "variable_names": []},
    )  # fmt: skip
    with API(sandbox.base_url(), sandbox.token) as api:
        version: Any = Versions(api).get(f"{model}:1")
        configuration = Versions(api).get_configuration(f"{model}:1")
    assert version["compatibilities"]["openai_embeddings"] is True
    assert configuration == {"hardware_identifier": "gpu-1", "variable_names": []}


def _render(folder: Path, *, native: bool = False, **parameters: Any) -> WriftAICreateVersionOperator:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    with DAG(
        "rendering", schedule=None, start_date=started, template_searchpath=[str(folder)],
        render_template_as_native_obj=native,
    ):  # fmt: skip
        operator = WriftAICreateVersionOperator(task_id="publish", **parameters)
    operator.resolve_template_files()
    operator.render_template_fields({"run_id": "r1", "params": {"keep": 3, "image": {"digest": "x"}}})
    return operator


def test_notes_and_schemas_may_be_template_files(tmp_path: Path, schemas: Any) -> None:
    (tmp_path / "notes.md").write_text("Trained in {{ run_id }}\n")
    (tmp_path / "schemas.json").write_text(json.dumps(schemas))
    operator = _render(
        tmp_path, model="acme/{{ run_id }}", image="x", release_notes="notes.md", schemas="schemas.json",
        lookback="{{ params.keep }}",
    )  # fmt: skip
    assert operator.release_notes == "Trained in r1"
    assert json.loads(operator.schemas) == schemas
    assert (operator.model, operator.lookback) == ("acme/r1", "3")


def test_nothing_else_is_taken_for_a_template_file(tmp_path: Path) -> None:
    schemas = {"prediction": {"input": {"$ref": "https://acme.example/{{ run_id }}/input.json"}, "output": {}}}
    operator = _render(
        tmp_path, model="acme/det", image="/builds/{{ run_id }}/metadata.json", release_notes="{{ run_id }}",
        schemas=schemas, image_selector="app.json",
    )  # fmt: skip
    assert operator.image == "/builds/r1/metadata.json"
    assert operator.schemas == {"prediction": {"input": {"$ref": "https://acme.example/r1/input.json"}, "output": {}}}
    assert operator.image_selector == "app.json"
    mapping = _render(tmp_path, model="a/b", image={"image.name": "x.json"}, release_notes="", schemas={})
    assert mapping.image == {"image.name": "x.json"}


def test_release_notes_that_a_template_has_no_value_for_are_not_published(sandbox: Sandbox, digest: str) -> None:
    model = sandbox.new_model(versions=1)
    with pytest.raises(AirflowFailException, match="release_notes: a template has no value, and rendered to 'None'"):
        _create(model, image=digest, release_notes="None", schemas=SCHEMAS)
    assert sandbox.numbers(model) == [1]


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(AirflowFailException) as caught:
        _create(
            "acme", image="", schemas={}, release_notes="x" * 300, if_exists="maybe", lookback=0, settle_seconds="soon",
            remember=7, configuration=[],
        )  # fmt: skip
    assert str(caught.value).count("\n  - ") == 9


def test_text_stays_text_with_native_rendering(tmp_path: Path) -> None:
    (tmp_path / "schemas.json").write_text('{"prediction": {"input": {"const": "a\\/b"}, "output": {}}}')
    (tmp_path / "notes.md").write_text("1.10")
    schemas = {"prediction": {"input": {"const": "[1, 2]", "pattern": "^{#x#}$", "title": "{{ run_id }}\n"}}}
    native: dict[str, Any] = {"model": "a/b", "image": "{{ params.image }}", "native": True}
    inline = _render(tmp_path, release_notes="{{ params.keep }}", schemas=schemas, **native)
    assert inline.release_notes == "3"
    assert inline.image == {"digest": "x"}
    assert inline.schemas == {"prediction": {"input": {"const": "[1, 2]", "pattern": "^{#x#}$", "title": "r1"}}}
    files = _render(tmp_path, release_notes="notes.md", schemas="schemas.json", **native)
    assert files.release_notes == "1.10"
    assert json.loads(files.schemas)["prediction"]["input"] == {"const": "a/b"}


def test_the_result_of_another_task_is_not_rendered() -> None:
    operator = _operator("acme/det", "from-pod {{ conn.secret }}", {}, image_selector="other")
    returned = operator.image
    jinja_env = operator.get_template_env()
    context: Any = {}
    assert operator.render_template(returned, context, jinja_env, {id(returned)}) == "from-pod {{ conn.secret }}"


def test_an_invalid_template_is_explained(tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match=r"schemas is not a valid Jinja template: .*{% raw %}"):
        _render(tmp_path, model="a/b", image="x", release_notes="", schemas={"a": ["{%d}"]})
    (tmp_path / "notes.md").write_bytes(b"\xff\xfe")
    with pytest.raises(AirflowFailException, match="is not UTF-8"):
        _render(tmp_path, model="a/b", image="x", release_notes="notes.md", schemas={})


def test_a_missing_template_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(
        AirflowFailException, match=r"release_notes ends like the name of a template file \(\.md, \.json\)"
    ):
        _render(tmp_path, model="acme/det", image="x", release_notes="Update README.md", schemas={})
    (tmp_path / "notes.md").write_text("{% include 'lost.md' %}")
    with pytest.raises(Exception, match=r"lost\.md") as caught:
        _render(tmp_path, model="acme/det", image="x", release_notes="notes.md", schemas={})
    assert not isinstance(caught.value, AirflowFailException)


def test_a_version_is_fetched(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=2)
    fetched = WriftAIGetVersionOperator(task_id="get", version=f"{model}:2").execute({})
    assert (fetched["reference"], fetched["release_notes"]) == (f"{model}:2", "Nightly build 2")
    assert "schemas" not in fetched
    whole = WriftAIGetVersionOperator(task_id="get", version=fetched, include_schemas="True").execute({})
    assert whole == fetched | {"schemas": whole["schemas"]}
    assert json.loads(whole["schemas"])["prediction"]


def test_a_version_that_does_not_exist_is_left_to_airflows_retries(sandbox: Sandbox) -> None:
    with pytest.raises(NotFoundError):
        WriftAIGetVersionOperator(task_id="get", version=f"{sandbox.new_model()}:1").execute({})


def test_a_version_is_deleted_and_a_missing_one_is_not_a_failure(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=2)

    def delete(**more: Any) -> Any:
        return WriftAIDeleteVersionOperator(task_id="delete", version=f"{model}:2", **more).execute({})

    assert delete() == {"reference": f"{model}:2", "deleted": True}
    assert sandbox.numbers(model) == [1]
    assert delete() == {"reference": f"{model}:2", "deleted": False}
    assert delete(fail_if_missing="False") == {"reference": f"{model}:2", "deleted": False}
    with pytest.raises(AirflowFailException, match="404 Not Found"):
        delete(fail_if_missing=True)
    assert sandbox.numbers(model) == [1]


@pytest.mark.parametrize("operator", [WriftAIGetVersionOperator, WriftAIDeleteVersionOperator])
@pytest.mark.parametrize(
    ("version", "message"),
    [
        *((text, "as a task returned it") for text in ("None", "", "[]", "{}", "7", "latest", "['acme:7']")),
        ("acme/det", "owner/name:number"),
    ],
)
def test_an_invalid_version_fails_at_once(sandbox: Sandbox, operator: Any, version: str, message: str) -> None:
    requests = sandbox.count_requests()
    with pytest.raises(AirflowFailException, match=f"(?i){message}"):
        operator(task_id="x", version=version).execute({})
    assert sandbox.count_requests() == requests


# ---- the asset of the model


def test_the_operator_adds_no_outlet() -> None:
    """An asset that is mentioned in one more file may lose its watchers."""
    assert _operator("acme/det", "x", {}).outlets == []


class _Events(dict[str, SimpleNamespace]):
    """Airflow's outlet events, by asset or alias."""

    def __getitem__(self, outlet: Any) -> Any:
        key = getattr(outlet, "uri", None) or outlet.name
        return self.setdefault(key, _Event())


class _Event(SimpleNamespace):
    def add(self, asset: Any, extra: Any) -> None:
        self.added = {asset.uri: extra}


def test_the_asset_of_another_connection_has_no_version_in_its_event(
    sandbox: Sandbox, digest: str, schemas: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model()
    other, own = model_asset(model, wriftai_conn_id="other"), model_asset(model.upper())
    task = _operator(model, digest, schemas, outlets=[other, own])
    events = _Events()
    context: Any = {"outlet_events": events}
    with caplog.at_level(logging.WARNING):
        task.execute(context)
    assert set(events) == {own.uri}
    assert f"The outlet {other.uri} is of another connection." in caplog.text


def test_outlet_events_contain_the_version_and_its_outcome(sandbox: Sandbox, digest: str, schemas: Any) -> None:
    model = sandbox.new_model()
    task = _operator(
        model, digest, schemas, outlets=[Asset("s3://bucket/x"), model_asset(model), AssetAlias("releases")]
    )
    events = _Events()
    context: Any = {"outlet_events": events}
    extra = {**task.execute(context), "model": model}
    assert version_of(SimpleNamespace(extra=extra)) == extra
    assert (extra["reference"], extra["outcome"], extra["container_image_digest"]) == (f"{model}:1", "created", digest)
    uri = f"wriftai://{model}"
    assert {key: vars(event) for key, event in events.items()} == {
        uri: {"extra": extra},
        "releases": {"added": {uri: extra}},
    }
    events.clear()
    task.execute(context)
    assert {key: vars(event) for key, event in events.items()} == {uri: {"extra": extra | {"outcome": "reused"}}}


# ---- stopped by Airflow


def test_a_task_that_is_stopped_while_it_searches_sends_no_create_request(
    sandbox: Sandbox, faulty: tuple[str, Faults], faults: Faults, digest: str, schemas: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    connection = sandbox.connection(host=f"{faulty[0]}/v1")
    monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps(connection))
    model = sandbox.new_model(versions=1)
    faults.add([Fault(method="GET", delay=60)])
    task = _operator(model, digest, schemas)

    def kill_when_it_searches() -> None:
        faults.events.get(timeout=60)
        task.on_kill()

    killer = threading.Thread(target=kill_when_it_searches)
    killer.start()
    with pytest.raises(TaskStoppedError, match="Airflow stopped the task"):
        task.execute({})
    killer.join()
    assert sandbox.numbers(model) == [1]


@pytest.mark.parametrize(
    "make",
    [
        lambda model: WriftAIGetVersionOperator(task_id="x", version=f"{model}:1"),
        lambda model: WriftAIDeleteVersionOperator(task_id="x", version=f"{model}:1"),
        lambda model: WriftAIUpdateVersionConfigurationOperator(
            task_id="x", version=f"{model}:1", hardware_identifier="gpu-9"
        ),
        lambda model: _operator(model, "sha256:" + "ab" * 32, SCHEMAS),
    ],
)
@pytest.mark.parametrize("state", ["success", "failed", LookupError("no answer")])
def test_a_task_that_was_stopped_before_its_first_request_sends_none(
    sandbox: Sandbox, make: Any, state: str | Exception
) -> None:
    model = sandbox.new_model(versions=1)
    task = make(model)
    requests = sandbox.count_requests(model)
    task.on_kill()
    context = {"ti": MarkedTaskInstance(state)}
    if state == "success":
        # No result, which could overwrite that of a later try.
        assert task.execute(context) is None
    else:
        with pytest.raises(AirflowFailException if state == "failed" else TaskStoppedError, match="Airflow stopped"):
            task.execute(context)
    assert sandbox.count_requests(model) == requests


# ---- the configuration of a version


def _update(version: Any, **changes: Any) -> dict[str, Any]:
    operator = WriftAIUpdateVersionConfigurationOperator(task_id="update", version=version, **changes)
    result: dict[str, Any] = operator.execute({})
    return result


def test_a_configuration_is_updated_once(sandbox: Sandbox, digest: str, schemas: Any) -> None:
    model = sandbox.new_model()
    published = _create(
        model, image=digest, schemas=schemas,
        configuration={"hardware_identifier": "cpu-1", "variable_names": ["A"]},
    )  # fmt: skip
    first = _update(published, hardware_identifier="gpu-1")
    assert first == {
        "reference": f"{model}:1",
        "hardware_identifier": "gpu-1",
        "variable_names": ["A"],
        "changed": True,
    }
    assert _update(published, hardware_identifier="gpu-1") == first | {"changed": False}
    assert _update(f"{model}:1", variable_names="B, C")["variable_names"] == ["B", "C"]
    assert _update(f"{model}:1", variable_names="")["variable_names"] == []
    assert [entry["method"] for entry in find_requests(sandbox.store, model)].count("PATCH") == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "Set hardware_identifier, variable_names, or both"),
        ({"hardware_identifier": None}, "hardware_identifier must be text"),
        ({"hardware_identifier": ""}, "hardware_identifier must be text"),
        ({"variable_names": None}, "variable_names must be a list"),
        ({"variable_names": [1]}, "variable_names must be a list of names"),
        ({"variable_names": [""]}, "variable_names must be a list of names"),
    ],
)
def test_an_invalid_configuration_is_not_sent(sandbox: Sandbox, changes: dict[str, Any], message: str) -> None:
    model = sandbox.new_model(versions=1)
    requests = sandbox.count_requests(model)
    with pytest.raises(AirflowFailException, match=message):
        _update(f"{model}:1", **changes)
    assert sandbox.count_requests(model) == requests
