"""Template fields, rendered by a DAG with and without ``render_template_as_native_obj``."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow import DAG

from airflow_provider_wriftai.operators.cleanup import WriftAICleanupVersionsOperator
from airflow_provider_wriftai.operators.models import WriftAIListModelsOperator
from airflow_provider_wriftai.operators.versions import (
    WriftAICreateVersionOperator,
    WriftAIDeleteVersionOperator,
    WriftAIGetVersionOperator,
)
from airflow_provider_wriftai.sensors.versions import WriftAIVersionSensor

VERSION = {"reference": "acme/detector:7", "number": 7, "release_notes": "It's {{ done }}"}
CONTEXT: Any = {
    "run_id": "12",
    "data_interval_start": datetime(2026, 1, 1, tzinfo=UTC),
    "params": {
        "number": 12,
        "text": "'1'",
        "list": [1, "2"],
        "json": '["1", 2, null]',
        "version": VERSION,
        "age": timedelta(days=2),
        "none": None,
    },
}


@pytest.fixture(params=[False, True], ids=["plain", "native"])
def native(request: pytest.FixtureRequest) -> bool:
    """Return whether the DAG renders templates to Python objects."""
    return bool(request.param)


def _render(native: bool, operator_class: type[Any], context: Any = CONTEXT, **parameters: Any) -> Any:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    with DAG("rendering", schedule=None, start_date=started, render_template_as_native_obj=native):
        operator = operator_class(task_id="task", **parameters)
    operator.render_template_fields(context)
    return operator


class _RecordedContext(UserDict[str, Any]):
    """A context that records which of its variables are read: on Airflow 2, the deprecated ones warn."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        super().__init__(variables)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)


def test_only_the_variables_that_a_template_names_are_read(native: bool) -> None:
    context = _RecordedContext(CONTEXT)
    parameters = {"model": "acme/{{ run_id }}", "newer_than": "{{ params.number }}"}
    operator = _render(native, WriftAIVersionSensor, context, **parameters)
    assert (operator.model, context.read) == ("acme/12", {"run_id", "params"})


@pytest.mark.parametrize(
    ("operator_class", "name"),
    [
        (WriftAICleanupVersionsOperator, "model"),
        (WriftAICleanupVersionsOperator, "protect_release_notes"),
        (WriftAICleanupVersionsOperator, "older_than"),
        (WriftAICleanupVersionsOperator, "protect"),
        (WriftAIVersionSensor, "model"),
        (WriftAIVersionSensor, "release_notes"),
        (WriftAIVersionSensor, "version"),
        (WriftAIVersionSensor, "newer_than"),
        (WriftAIGetVersionOperator, "version"),
        (WriftAIDeleteVersionOperator, "version"),
        (WriftAIListModelsOperator, "model_owner"),
    ],
)
@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("12", "12"),
        ("{{ run_id }}", "12"),
        ("{{ params.number }}", "12"),
        ("{{ params.text }}", "'1'"),
        ("{{ params.number }}e1", "12e1"),
        ("[0-{{ params.number }}]", "[0-12]"),
    ],
)
def test_text_stays_text(native: bool, operator_class: type[Any], name: str, template: str, text: str) -> None:
    others = {} if name == "model" or operator_class is not WriftAICleanupVersionsOperator else {"model": "acme/x"}
    operator = _render(native, operator_class, **{name: template}, **others)
    assert getattr(operator, name) == text


def test_text_in_every_text_parameter_of_the_create_operator_stays_text(native: bool) -> None:
    template = "{{ params.number }}"
    operator = _render(
        native, WriftAICreateVersionOperator, model=template, image=template, release_notes=template,
        schemas={"title": template}, image_selector=template, configuration={"hardware_identifier": template},
    )  # fmt: skip
    assert (operator.model, operator.image, operator.release_notes, operator.image_selector) == ("12",) * 4
    assert (operator.schemas, operator.configuration) == ({"title": "12"}, {"hardware_identifier": "12"})


def test_an_expression_renders_to_an_object_only_with_native_rendering() -> None:
    templates = {"protect": "{{ params.list }}", "older_than": "{{ params.age }}", "only": ["{{ params.version }}"]}
    native = _render(True, WriftAICleanupVersionsOperator, model="acme/x", **templates)
    assert (native.protect, native.older_than, native.only) == ([1, "2"], timedelta(days=2), [VERSION])
    plain = _render(False, WriftAICleanupVersionsOperator, model="acme/x", **templates)
    assert (plain.protect, plain.older_than, plain.only) == ("[1, '2']", "2 days, 0:00:00", [str(VERSION)])


def test_a_version_that_passed_through_a_template_is_read_back(native: bool) -> None:
    from airflow_provider_wriftai._airflow.parameters import parse_list, parse_version_reference
    from airflow_provider_wriftai.client.references import ModelReference
    from airflow_provider_wriftai.domain.retention.selectors import parse_version_selectors
    from airflow_provider_wriftai.domain.waiting.criteria import read_newer_than
    from airflow_provider_wriftai.domain.watermark import Watermark

    model = ModelReference.parse("acme/detector")
    for template in ("{{ params.version }}", "{{ params.version | tojson }}"):
        operator = _render(native, WriftAIGetVersionOperator, version=template)
        assert parse_version_reference("version", operator.version) == "acme/detector:7"
        sensor = _render(native, WriftAIVersionSensor, model="acme/detector", newer_than=template)
        assert read_newer_than(model, sensor.newer_than) == Watermark(number=7)
        prune = _render(native, WriftAICleanupVersionsOperator, model="acme/detector", only=[template, "3"])
        assert parse_version_selectors("only", model, parse_list("only", prune.only)).numbers == {3, 7}


def test_a_list_may_pass_through_a_template_as_json(native: bool) -> None:
    from airflow_provider_wriftai._airflow.parameters import parse_list

    operator = _render(native, WriftAICleanupVersionsOperator, model="acme/x", protect="{{ params.json }}")
    assert parse_list("protect", operator.protect) == ["1", 2, None]


def test_items_of_a_set_are_rendered(native: bool) -> None:
    operator = _render(native, WriftAICleanupVersionsOperator, model="acme/x", protect={"{{ run_id }}"})
    assert operator.protect == ["12"]


def test_a_time_may_come_from_the_run(native: bool) -> None:
    from airflow_provider_wriftai.domain.waiting.criteria import read_newer_than
    from airflow_provider_wriftai.domain.watermark import Watermark

    sensor = _render(native, WriftAIVersionSensor, model="acme/detector", newer_than="{{ data_interval_start }}")
    assert read_newer_than(None, sensor.newer_than) == Watermark(oldest=datetime(2026, 1, 1, tzinfo=UTC))
