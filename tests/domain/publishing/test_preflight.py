from __future__ import annotations

import functools
import json
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest

from airflow_provider_wriftai.domain.images.image import Image
from airflow_provider_wriftai.domain.json_problems import RESERVED_KEYS
from airflow_provider_wriftai.domain.publishing.errors import PreflightError
from airflow_provider_wriftai.domain.publishing.preflight import check_new_version

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def _schemas(schema: Any) -> dict[str, Any]:
    return {"prediction": {"input": schema, "output": {}}}


def test_good_parameters_come_back_ready_to_send(digest: str, schemas: Any) -> None:
    new = check_new_version("acme/det", f"registry/det@{digest}", "x" * 255, json.dumps(schemas))
    assert str(new.model) == "acme/det"
    assert new.image == Image(digest, ("registry/det",))
    assert new.params == {"release_notes": "x" * 255, "schemas": schemas, "container_image_digest": digest}


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(PreflightError) as caught:
        check_new_version("acme", "latest", "x" * 300, {"prediction": {"input": {"type": "objekt"}}})
    text = str(caught.value)
    assert len(caught.value.problems) == 5
    assert text.startswith("No version of 'acme' was created, and nothing was sent, because:")
    for message in ("owner/name", "neither a digest", "300 characters long; the service takes at most 255",
                    "prediction.output is missing", "'objekt' is not valid"):  # fmt: skip
        assert message in text


@pytest.mark.parametrize(
    ("schemas", "message"),
    [
        (None, "expected an object; got NoneType"),
        ([], "expected an object; got list"),
        ({}, "expected {"),
        ({"prediction": []}, "expected {"),
        ("not json", "expected an object or JSON of one; got the text 'not json', but line 1, column 1"),
        ("[]", "expected an object; got the text '[]'"),
        (_schemas(True), "must be a JSON Schema object; got bool"),
        (_schemas({"type": 7}), "is not a JSON Schema of Draft 2020-12: at 'type': 7 is not valid"),
        (_schemas({"properties": {"a": {"minimum": "x"}}}), "at 'properties/a/minimum': 'x' is not of type 'number'"),
        (_schemas({"$schema": "http://json-schema.org/draft-07/schema#"}), "declares $schema"),
        (_schemas({"$schema": 7}), "declares $schema"),
        (_schemas({"default": float("nan")}), "the number at 'prediction/input/default' is nan"),
        (_schemas({"default": {1, 2}}), "cannot be written as JSON"),
        (_schemas({"default": "\ud800"}), "at 'prediction/input/default' has half of a surrogate pair"),
        (_schemas({"description": "x" * 1024 * 1024}), "bytes of JSON"),
    ],
)
def test_schemas_that_the_service_would_refuse(digest: str, schemas: Any, message: str) -> None:
    with pytest.raises(PreflightError) as caught:
        check_new_version("acme/det", digest, "", schemas)
    assert message in str(caught.value)


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
    params = check_new_version("acme/det", digest, "", _schemas(schema)).params
    assert params["schemas"] == _schemas(schema)


def test_deep_nesting_is_told_and_not_followed(digest: str) -> None:
    schema: dict[str, Any] = {}
    for _ in range(50_000):
        schema = {"not": schema}
    with pytest.raises(PreflightError, match="deeper than 64"):
        check_new_version("acme/det", digest, "", _schemas(schema))


@pytest.mark.parametrize("notes", [None, 7, ["x"]])
def test_release_notes_must_be_a_string(digest: str, schemas: Any, notes: Any) -> None:
    with pytest.raises(PreflightError, match="expected a string"):
        check_new_version("acme/det", digest, notes, schemas)


def test_release_notes_must_not_contain_half_of_a_surrogate_pair(digest: str, schemas: Any) -> None:
    with pytest.raises(PreflightError, match="surrogate"):
        check_new_version("acme/det", digest, "x\ud800", schemas)


def test_a_bad_image_bad_notes_and_a_bad_schema_are_reported_together() -> None:
    with pytest.raises(PreflightError) as caught:
        check_new_version("acme/det", "latest", "x" * 300, _schemas({"description": "x" * 2**20}))
    image, notes, schemas = caught.value.problems
    assert image.startswith("image: 'latest' is neither a digest")
    assert notes == "release_notes: 300 characters long; the service takes at most 255."
    assert schemas == f"schemas: {2**20 + 60} bytes of JSON; at most {2**20} are sent."


def test_invalid_json_is_reported_with_its_position(digest: str) -> None:
    with pytest.raises(PreflightError, match=r"line 2, column 1 is not valid JSON: Expecting"):
        check_new_version("acme/det", digest, "", '{"prediction":\n}')


def test_the_parameters_of_generation_2_are_accepted(digest: str, schemas: Any) -> None:
    params = check_new_version(
        "acme/det", digest, "", schemas,
        compatibilities={"openai_embeddings": True},
        configuration={"hardware_identifier": "gpu-1", "variable_names": ["TOKEN"]},
    ).params  # fmt: skip
    assert params["compatibilities"] == {"openai_embeddings": True}
    assert params["configuration"] == {"hardware_identifier": "gpu-1", "variable_names": ["TOKEN"]}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"compatibilities": ["openai_embeddings"]}, "compatibilities: expected an object; got list"),
        ({"compatibilities": {"openai_embeddings": "yes"}}, "'openai_embeddings' must be true or false; got 'yes'"),
        ({"compatibilities": "[]"}, "compatibilities: expected an object; got the text '[]'"),
        ({"configuration": []}, "configuration: expected an object; got list"),
        ({"configuration": {"hardware": "gpu"}}, "unknown key 'hardware'"),
        ({"configuration": {}}, "'hardware_identifier' is missing"),
        ({"configuration": {"hardware_identifier": "gpu"}}, "'variable_names' is missing"),
        ({"configuration": {"hardware_identifier": 7}}, "'hardware_identifier' must be a string; got int"),
        ({"configuration": {"variable_names": "TOKEN"}}, "'variable_names' must be a list of strings"),
        ({"configuration": {"variable_names": [7]}}, "'variable_names' must be a list of strings"),
        ({"configuration": {"hardware_identifier": "\ud800"}}, "at 'hardware_identifier' has half"),
        (
            {"configuration": {"variable_names": range(2)}},
            "at 'variable_names' is of type range, which cannot be written as JSON",
        ),
        ({"compatibilities": {"\ud800": True}}, "compatibilities: the key '\\ud800' at the top has half"),
        ({"compatibilities": {"x" * 100_000: 1}}, "must be true or false"),
        ({"problems": ["lookback must be from 1 to 50; got 0."]}, "lookback must be from 1 to 50"),
        ({"image_selector": "other"}, "no image named 'other'"),
    ],
)
def test_invalid_parameters_of_generation_2_are_refused(
    digest: str, schemas: Any, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(PreflightError) as caught:
        check_new_version("acme/det", digest, "", schemas, **more)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_is_ignored(digest: str, schemas: Any, mark: str) -> None:
    params = check_new_version("acme/det", mark + digest, "", mark + json.dumps(schemas)).params
    assert (params["container_image_digest"], params["schemas"]) == (digest, schemas)


NOTHING: Any = {}
DEEP = functools.reduce(lambda inner, _: {"not": inner}, range(63), NOTHING)
CYCLE: dict[str, Any] = {}
CYCLE["self"] = CYCLE
TEXT: Any = "x"
ALIASES = functools.reduce(lambda inner, _: [inner, inner], range(60), TEXT)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        # yaml.safe_load reads such keys from on:, no:, and 1: without quotes.
        ({"properties": {True: {}}}, "is of type bool instead of a string"),
        ({"properties": {1: {}, "1": {}}}, "'prediction/input/properties' is of type int instead of a string"),
        ({"properties": {None: {}}}, "the key None at"),
        ({"default": "a\x00b"}, "the string at 'prediction/input/default' has a NUL character"),
        ({"properties": {"a\x00b": {}}}, r"the key 'a\x00b' at 'prediction/input/properties' has a NUL character"),
        ({"enum": [1, float("inf")]}, "the number at 'prediction/input/enum/1' is inf"),
        ({"default": 10**400}, "the integer at 'prediction/input/default' is too large"),
        ({"default": {1, 2}}, "the value at 'prediction/input/default' is of type set"),
        ({"default": MappingProxyType({})}, "is of type mappingproxy, which cannot be written"),
        *(
            ({"properties": {"a": {"properties": {key: {}}}}},
             f"the key '{key}' at 'prediction/input/properties/a/properties' is reserved by Airflow")
            for key in sorted(RESERVED_KEYS)
        ),
        ({"x" * 100: {"__id__": 1}}, f"at '…{'x' * 59}' is reserved"),
        (DEEP, "nested deeper than 64 levels at '…"),
        (CYCLE, "nested deeper than 64 levels"),
        ({"enum": ALIASES}, "more than 524288 values"),
        ({"enum": [float("nan")] * 100}, "There may be more"),
    ],
)  # fmt: skip
def test_what_could_not_be_sent_stored_or_passed_on_is_named_with_its_place(
    digest: str, schema: Any, message: str
) -> None:
    with pytest.raises(PreflightError) as caught:
        check_new_version("acme/det", digest, "", _schemas(schema))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1500


def test_values_that_only_resemble_unsendable_ones_are_accepted(digest: str) -> None:
    schema = {"enum": ["__id__", 2**64, 1.5, None, True, "on"], "properties": {"__ids__": {}, "1": {}}}
    assert check_new_version("acme/det", digest, "", _schemas(schema)).params["schemas"] == _schemas(schema)


def test_compatibilities_and_configuration_are_checked_the_same_way(digest: str, schemas: Any) -> None:
    with pytest.raises(PreflightError) as caught:
        check_new_version(
            "acme/det",
            digest,
            "a\x00b",
            schemas,
            compatibilities={True: True},  # type: ignore[dict-item]
            configuration={"variable_names": ["a\x00b"], "__type": "x"},
        )
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "release_notes", "compatibilities", "configuration", "configuration",
    ]  # fmt: skip
    assert "release_notes: has a NUL character" in str(caught.value)
    assert "the string at 'variable_names/0' has a NUL" in str(caught.value)


@pytest.mark.parametrize("write", [json.dumps, lambda value: json.dumps(json.dumps(value)), repr, str], ids=range(4))
def test_objects_may_be_text(digest: str, schemas: Any, write: Callable[[Any], str]) -> None:
    compatibilities = {"openai_embeddings": True}
    configuration = {"hardware_identifier": "gpu-1", "variable_names": ["TOKEN"]}
    params = check_new_version(
        "acme/det",
        write({"imageDigest": digest, "imagePushed": True}),
        "",
        write(schemas),
        compatibilities=write(compatibilities),
        configuration=write(configuration),
    ).params
    assert params == {
        "release_notes": "",
        "schemas": schemas,
        "container_image_digest": digest,
        "compatibilities": compatibilities,
        "configuration": configuration,
    }


@pytest.mark.parametrize("name", ["schemas", "compatibilities", "configuration"])
@pytest.mark.parametrize("text", ["{'at': datetime.datetime(2026, 1, 1)}", "{'a': {1}}", "{'a': b'x'}", "{'a': (1,)}"])
def test_a_python_object_as_text_is_refused_with_advice(digest: str, schemas: Any, name: str, text: str) -> None:
    parameters = {"schemas": schemas, name: text}
    with pytest.raises(PreflightError, match=rf"{name}: expected an object .*`\.output`.*`\| tojson`"):
        check_new_version("acme/det", digest, "", **parameters)


def test_warnings_about_the_image_are_returned(digest: str, schemas: Any) -> None:
    new = check_new_version("acme/det", {"imageDigest": digest, "imagePushed": False}, "", schemas)
    assert len(new.image.warnings) == 1


HOSTILE = "x\n[2026-01-01] INFO - Created acme/m:99\r\x1b[31m\u202e::group::" + "y" * 1000


def test_hostile_text_cannot_pretend_to_be_a_log_line() -> None:
    schema = {"properties": {HOSTILE: {"type": HOSTILE, "minimum": HOSTILE}}}
    for schemas in (_schemas(schema), _schemas({"$schema": HOSTILE}), _schemas({HOSTILE: {1: 2}}), HOSTILE):
        with pytest.raises(PreflightError) as caught:
            check_new_version(
                HOSTILE,
                {HOSTILE: HOSTILE},
                "",
                schemas,
                image_selector=HOSTILE,
                compatibilities={HOSTILE: HOSTILE},  # type: ignore[dict-item]
                configuration={HOSTILE: HOSTILE, "variable_names": [HOSTILE, 1]},
            )
        lines = str(caught.value).split("\n")
        assert len(lines) == 1 + len(caught.value.problems)
        assert all(line.isprintable() for line in lines)
