"""Everything about a new version that can be checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError

from airflow_provider_wriftai.client.errors import InvalidReferenceError
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.text import path_repr, truncated_repr
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.empty_values import explain_empty
from airflow_provider_wriftai.domain.images.errors import InvalidImageError
from airflow_provider_wriftai.domain.images.image import Image
from airflow_provider_wriftai.domain.images.read import BuildResult, read_image
from airflow_provider_wriftai.domain.json_problems import find_json_problems, find_text_problem
from airflow_provider_wriftai.domain.object_text import UnreadableObjectError, parse_value
from airflow_provider_wriftai.domain.publishing.errors import PreflightError

LONGEST_RELEASE_NOTES = 255
"""Characters that the service takes as release notes."""

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_LONGEST_REASON = 100


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version that can be created.

    Attributes:
        model: The model.
        params: What to create the version with.
        image: The image, with its names and with warnings to log.
    """

    model: ModelReference
    params: CreateVersionParams
    image: Image


def check_new_version(
    model: str,
    image: BuildResult,
    release_notes: str,
    schemas: Mapping[str, Any] | str,
    *,
    image_selector: str | None = None,
    compatibilities: Mapping[str, bool] | str | None = None,
    configuration: Mapping[str, Any] | str | None = None,
    problems: Sequence[str] = (),
) -> NewVersion:
    """Check everything that a new version is made of.

    Each object may be text: JSON, or what a plain template makes of a dict.

    Args:
        model: ``owner/name``.
        image: A digest, or the output of a build tool: see ``read_image``.
        release_notes: What changed, at most 255 characters.
        schemas: The version's JSON Schemas.
        image_selector: Which image, where the build made several: see ``read_image``.
        compatibilities: Which endpoints of other vendors the version can serve (generation 2); None to leave it out.
        configuration: ``hardware_identifier`` and ``variable_names`` (generation 2); None to leave it out, which
            keeps that of the previous version.
        problems: What the caller found wrong already, to be reported together.

    Returns:
        What to create.

    Raises:
        PreflightError: The service would refuse it, or Airflow could not pass it on. Every problem is named.
    """
    problems = list(problems)
    reference: ModelReference | None = None
    found: Image | None = None
    try:
        reference = ModelReference.parse(model)
    except InvalidReferenceError as error:
        problems.append(f"model: {error}{explain_empty(model)}")
    try:
        found = read_image(image, image_selector)
    except InvalidImageError as error:
        problems.append(f"image: {error}")
    problems.extend(f"release_notes: {problem}" for problem in _problems_of_notes(release_notes))
    objects: dict[str, Any] = {}
    for name, value, check in (
        ("schemas", schemas, _problems_of_schemas),
        ("compatibilities", compatibilities, _problems_of_compatibilities),
        ("configuration", configuration, _problems_of_configuration),
    ):
        if value is None and name != "schemas":
            continue
        try:
            objects[name] = _read_object(value)
        except UnreadableObjectError as error:
            problems.append(f"{name}: {error}")
            continue
        unfit = list(find_json_problems(objects[name]))
        problems.extend(f"{name}: {problem}" for problem in unfit or check(objects[name]))
    if problems or reference is None or found is None:
        raise PreflightError(reference or truncated_repr(model), problems)
    params = CreateVersionParams(
        release_notes=release_notes, schemas=objects["schemas"], container_image_digest=found.digest
    )
    if "compatibilities" in objects:
        params["compatibilities"] = objects["compatibilities"]
    if "configuration" in objects:
        params["configuration"] = objects["configuration"]
    return NewVersion(reference, params, found)


def _read_object(value: object) -> Mapping[str, Any]:
    """Read a parameter that must be an object.

    Raises:
        UnreadableObjectError: It is not an object.
    """
    given = value
    if isinstance(value, str):
        try:
            value = parse_value(value)
        except UnreadableObjectError as error:
            raise UnreadableObjectError(
                f"expected an object or JSON of one; got the text {truncated_repr(given)}, but {error}."
                + explain_empty(given)
            ) from error
    if not isinstance(value, Mapping):
        got = f"the text {truncated_repr(given)}" if isinstance(given, str) else type(given).__name__
        raise UnreadableObjectError(f"expected an object; got {got}.{explain_empty(given)}")
    return value


def _problems_of_notes(notes: object) -> Iterator[str]:
    if not isinstance(notes, str):
        yield f"expected a string; got {type(notes).__name__}.{explain_empty(notes)}"
    elif notes.strip() == "None":
        # A template renders a missing value to this text, and versions never change.
        yield "a template has no value, and rendered to 'None'."
    elif (problem := find_text_problem(notes)) is not None:
        yield f"has {problem}."
    elif len(notes) > LONGEST_RELEASE_NOTES:
        yield f"{len(notes)} characters long; the service takes at most {LONGEST_RELEASE_NOTES}."


def _problems_of_compatibilities(compatibilities: Mapping[str, Any]) -> Iterator[str]:
    for name, value in compatibilities.items():
        if not isinstance(value, bool):
            yield f"{truncated_repr(name)} must be true or false; got {truncated_repr(value)}."


def _problems_of_configuration(configuration: Mapping[str, Any]) -> Iterator[str]:
    for name in ("hardware_identifier", "variable_names"):
        if name not in configuration:
            yield f"{name!r} is missing."
    for name, value in configuration.items():
        match name, value:
            case ("hardware_identifier", str()):
                continue
            case ("variable_names", [*names]) if all(isinstance(each, str) for each in names):
                continue
            case ("hardware_identifier", _):
                yield f"'hardware_identifier' must be a string; got {type(value).__name__}."
            case ("variable_names", _):
                yield "'variable_names' must be a list of strings."
            case _:
                yield f"unknown key {truncated_repr(name)}; expected 'hardware_identifier' and 'variable_names'."


def _problems_of_schemas(schemas: Mapping[str, Any]) -> Iterator[str]:
    prediction = schemas.get("prediction")
    if not isinstance(prediction, Mapping):
        yield 'expected {"prediction": {"input": {…}, "output": {…}}}.'
        return
    for part in ("input", "output"):
        if part not in prediction:
            yield f"prediction.{part} is missing."
    for part in ("input", "output", "stream_output"):
        if part in prediction:
            yield from (f"prediction.{part} {problem}" for problem in _problems_of_schema(prediction[part]))


def _problems_of_schema(schema: object) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        yield f"must be a JSON Schema object; got {type(schema).__name__}."
        return
    draft = schema.get("$schema", _DRAFT)
    if not isinstance(draft, str) or draft.rstrip("#") != _DRAFT:
        yield f"declares $schema {truncated_repr(draft)}; the service takes Draft 2020-12 ({_DRAFT})."
        return
    try:
        # Without a check of formats: Python's format checker does not support the regular expressions of ECMA-262.
        Draft202012Validator.check_schema(cast("Any", schema), format_checker=FormatChecker(formats=()))
    except RecursionError:
        yield "is nested too deeply."
    except SchemaError as error:
        where = path_repr("/".join(map(str, error.absolute_path))) if error.absolute_path else "the top"
        yield f"is not a JSON Schema of Draft 2020-12: at {where}: {_explain(error)}."


def _explain(error: SchemaError) -> str:
    instance = repr(error.instance)
    if not error.message.startswith(instance):
        return truncated_repr(error.message)
    return truncated_repr(error.instance) + error.message.removeprefix(instance)[:_LONGEST_REASON]
