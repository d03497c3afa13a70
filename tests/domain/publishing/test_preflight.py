from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_wriftai.domain.publishing.errors import PreflightError
from airflow_provider_wriftai.domain.publishing.preflight import check_new_version

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def _schemas(schema: Any) -> dict[str, Any]:
    return {"prediction": {"input": schema, "output": {}}}


def test_good_parameters_come_back_ready_to_send(digest: str, schemas: Any) -> None:
    model, params = check_new_version("acme/det", f"registry/det@{digest}", "x" * 255, json.dumps(schemas))
    assert str(model) == "acme/det"
    assert params == {"release_notes": "x" * 255, "schemas": schemas, "container_image_digest": digest}


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(PreflightError) as caught:
        check_new_version("acme", "latest", "x" * 300, {"prediction": {"input": {"type": "objekt"}}})
    text = str(caught.value)
    assert len(caught.value.problems) == 5
    assert text.startswith("No version of acme was created, and nothing was sent, because:")
    for said in ("owner/name", "neither a digest", "300 characters long; the service takes at most 255",
                 "prediction.output is missing", "'objekt' is not valid"):  # fmt: skip
        assert said in text


@pytest.mark.parametrize(
    ("schemas", "said"),
    [
        (None, "expected {"),
        ([], "expected {"),
        ({}, "expected {"),
        ({"prediction": []}, "expected {"),
        ("not json", "expected an object, or one as JSON"),
        ("[]", "expected {"),
        (_schemas(True), "must be a JSON Schema object, not a bool"),
        (_schemas({"type": 7}), "is not a JSON Schema of Draft 2020-12: at type"),
        (_schemas({"properties": {"a": {"minimum": "x"}}}), "at properties/a/minimum"),
        (_schemas({"$schema": "http://json-schema.org/draft-07/schema#"}), "declares $schema"),
        (_schemas({"$schema": 7}), "declares $schema"),
        (_schemas({"default": float("nan")}), "cannot be written as JSON"),
        (_schemas({"default": {1, 2}}), "cannot be written as JSON"),
        (_schemas({"default": "\ud800"}), "cannot be written as JSON"),
        (_schemas({"description": "x" * 1024 * 1024}), "bytes of JSON"),
    ],
)
def test_schemas_that_the_service_would_refuse(digest: str, schemas: Any, said: str) -> None:
    with pytest.raises(PreflightError) as caught:
        check_new_version("acme/det", digest, "", schemas)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$schema": DRAFT},
        {"$ref": "https://example.invalid/x"},
        {"$ref": "#/$defs/a"},
        # ECMA-262's patterns are not Python's.
        {"pattern": "^\\p{L}+$"},
        {"patternProperties": {"(?<year>\\d{4})": {}}},
    ],
)
def test_schemas_that_the_service_takes(digest: str, schema: Any) -> None:
    _, params = check_new_version("acme/det", digest, "", _schemas(schema))
    assert params["schemas"] == _schemas(schema)


def test_deep_nesting_is_told_and_not_followed(digest: str) -> None:
    schema: dict[str, Any] = {}
    for _ in range(50_000):
        schema = {"not": schema}
    with pytest.raises(PreflightError, match="deeper than 64"):
        check_new_version("acme/det", digest, "", _schemas(schema))


@pytest.mark.parametrize("notes", [None, 7, ["x"]])
def test_release_notes_are_a_text(digest: str, schemas: Any, notes: Any) -> None:
    with pytest.raises(PreflightError, match="expected a text"):
        check_new_version("acme/det", digest, notes, schemas)


def test_release_notes_are_whole_characters(digest: str, schemas: Any) -> None:
    with pytest.raises(PreflightError, match="surrogate"):
        check_new_version("acme/det", digest, "x\ud800", schemas)


def test_a_bad_image_bad_notes_and_a_bad_schema_are_told_together_with_limit_and_size() -> None:
    with pytest.raises(PreflightError) as caught:
        check_new_version("acme/det", "latest", "x" * 300, _schemas({"description": "x" * 2**20}))
    image, notes, schemas = caught.value.problems
    assert image.startswith("image: 'latest' is neither a digest")
    assert notes == "release_notes: 300 characters long; the service takes at most 255."
    assert schemas == f"schemas: {2**20 + 60} bytes of JSON; at most {2**20} are sent."


def test_json_that_is_none_is_told_with_its_place(digest: str) -> None:
    with pytest.raises(PreflightError, match=r"line 2, column 1 is none: Expecting"):
        check_new_version("acme/det", digest, "", '{"prediction":\n}')


def test_what_generation_2_takes_besides(digest: str, schemas: Any) -> None:
    _, params = check_new_version(
        "acme/det", digest, "", schemas,
        compatibilities={"openai_embeddings": True},
        configuration={"hardware_identifier": "gpu-1", "variable_names": ["TOKEN"]},
    )  # fmt: skip
    assert params["compatibilities"] == {"openai_embeddings": True}
    assert params["configuration"] == {"hardware_identifier": "gpu-1", "variable_names": ["TOKEN"]}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"compatibilities": ["openai_embeddings"]}, "compatibilities: expected an object, got a list"),
        ({"compatibilities": {"openai_embeddings": "yes"}}, "'openai_embeddings' must be true or false, not 'yes'"),
        ({"compatibilities": "{}"}, "got a str"),
        ({"configuration": []}, "configuration: expected an object, got a list"),
        ({"configuration": {"hardware": "gpu"}}, "there is no 'hardware'"),
        ({"configuration": {"hardware_identifier": 7}}, "'hardware_identifier' must be a text, not a int"),
        ({"configuration": {"variable_names": "TOKEN"}}, "'variable_names' must be a list of texts"),
        ({"configuration": {"variable_names": [7]}}, "'variable_names' must be a list of texts"),
        ({"configuration": {"hardware_identifier": "\ud800"}}, "configuration: cannot be written as JSON"),
        ({"configuration": {"variable_names": range(2)}}, "'variable_names' must be a list of texts"),
        ({"compatibilities": {"\ud800": True}}, "compatibilities: cannot be written as JSON"),
        ({"compatibilities": {"x" * 100_000: 1}}, "must be true or false"),
        ({"problems": ["lookback must be from 1 to 50; got 0."]}, "lookback must be from 1 to 50"),
        ({"image_selector": "other"}, "no image that is called 'other'"),
    ],
)
def test_what_generation_2_would_refuse(digest: str, schemas: Any, more: dict[str, Any], said: str) -> None:
    with pytest.raises(PreflightError) as caught:
        check_new_version("acme/det", digest, "", schemas, **more)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_is_no_mistake(digest: str, schemas: Any, mark: str) -> None:
    _, params = check_new_version("acme/det", mark + digest, "", mark + json.dumps(schemas))
    assert (params["container_image_digest"], params["schemas"]) == (digest, schemas)
