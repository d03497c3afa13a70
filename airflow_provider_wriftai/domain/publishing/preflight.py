"""Everything about a new version that can be checked before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError

from airflow_provider_wriftai.client.errors import InvalidReferenceError
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.images.read import BuildResult, read_image
from airflow_provider_wriftai.domain.publishing.errors import InvalidImageError, PreflightError

LONGEST_RELEASE_NOTES = 255
"""Characters that the service takes as release notes."""

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_DEEPEST_SCHEMA = 64
_LARGEST_SCHEMAS = 1024 * 1024


def check_new_version(
    model: str,
    image: BuildResult,
    release_notes: str,
    schemas: Mapping[str, Any] | str,
    *,
    image_selector: str | None = None,
    compatibilities: Mapping[str, bool] | None = None,
    configuration: Mapping[str, Any] | None = None,
    problems: Sequence[str] = (),
) -> tuple[ModelReference, CreateVersionParams]:
    """Check everything that a new version is made of.

    Args:
        model: ``owner/name``.
        image: A digest, or what a build left behind: see ``image_digest``.
        release_notes: What changed, at most 255 characters.
        schemas: The version's JSON Schemas, as a mapping or as JSON text.
        image_selector: Which image, where the build made several: see ``image_digest``.
        compatibilities: Which foreign endpoints the version can stand in for (generation 2); None to leave it out.
        configuration: ``hardware_identifier`` and ``variable_names`` (generation 2); None to leave it out, which
            takes over that of the previous version.
        problems: What the caller found wrong already, to be told together.

    Returns:
        The model, and what to create a version with.

    Raises:
        PreflightError: The service would refuse it. Every problem is named.
    """
    problems = list(problems)
    reference: ModelReference | None = None
    digest = ""
    try:
        reference = ModelReference.parse(model)
    except InvalidReferenceError as error:
        problems.append(f"model: {error}")
    try:
        digest = read_image(image, image_selector).digest
    except InvalidImageError as error:
        problems.append(f"image: {error}")
    problems.extend(f"release_notes: {problem}" for problem in _problems_of_notes(release_notes))
    parsed = _parsed(schemas)
    problems.extend(f"schemas: {problem}" for problem in _problems_of_schemas(parsed))
    problems.extend(f"compatibilities: {problem}" for problem in _problems_of_compatibilities(compatibilities))
    problems.extend(f"configuration: {problem}" for problem in _problems_of_configuration(configuration))
    if problems or reference is None:
        raise PreflightError(model, problems)
    params = CreateVersionParams(
        release_notes=release_notes, schemas=cast("Any", parsed), container_image_digest=digest
    )
    if compatibilities is not None:
        params["compatibilities"] = compatibilities
    if configuration is not None:
        params["configuration"] = configuration
    return reference, params


def _problems_of_notes(notes: object) -> Iterator[str]:
    if not isinstance(notes, str):
        yield f"expected a text, got a {type(notes).__name__}."
    elif _is_broken(notes):
        yield "has half of a surrogate pair in it, which is no character."
    elif len(notes) > LONGEST_RELEASE_NOTES:
        yield f"{len(notes)} characters long; the service takes at most {LONGEST_RELEASE_NOTES}."


def _problems_of_compatibilities(compatibilities: object) -> Iterator[str]:
    yield from _problems_of_object(compatibilities)
    if not isinstance(compatibilities, Mapping):
        return
    for name, value in compatibilities.items():
        if not isinstance(name, str) or not isinstance(value, bool):
            yield f"{str(name)[:60]!r} must be true or false, not {str(value)[:60]!r}."


def _problems_of_configuration(configuration: object) -> Iterator[str]:
    yield from _problems_of_object(configuration)
    if not isinstance(configuration, Mapping):
        return
    for name, value in configuration.items():
        match name, value:
            case ("hardware_identifier", str()):
                continue
            case ("variable_names", [*names]) if all(isinstance(each, str) for each in names):
                continue
            case ("hardware_identifier", _):
                yield f"'hardware_identifier' must be a text, not a {type(value).__name__}."
            case ("variable_names", _):
                yield "'variable_names' must be a list of texts."
            case _:
                yield f"there is no {str(name)[:60]!r}, only 'hardware_identifier' and 'variable_names'."


def _problems_of_object(value: object) -> Iterator[str]:
    if value is None:
        return
    if not isinstance(value, Mapping):
        yield f"expected an object, got a {type(value).__name__}."
        return
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        yield f"cannot be written as JSON: {error}."


def _parsed(schemas: object) -> object:
    if isinstance(schemas, str):
        try:
            return json.loads(schemas.removeprefix("\ufeff"))
        except (ValueError, RecursionError):
            return schemas
    return schemas


def _why_no_json(text: str) -> str:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"got the text {text[:60]!r}, in which line {error.lineno}, column {error.colno} is none: {error.msg}"
    except (ValueError, RecursionError) as error:
        return f"got the text {text[:60]!r}, which cannot be read: {str(error)[:100]}"
    return f"got the text {text[:60]!r}"


def _problems_of_schemas(schemas: object) -> Iterator[str]:
    if isinstance(schemas, str):
        yield f"expected an object, or one as JSON; {_why_no_json(schemas)}."
        return
    if not isinstance(schemas, Mapping) or not isinstance(schemas.get("prediction"), Mapping):
        yield 'expected {"prediction": {"input": {…}, "output": {…}}}.'
        return
    if _is_deeper_than(schemas, _DEEPEST_SCHEMA):
        yield f"nested deeper than {_DEEPEST_SCHEMA} levels."
        return
    try:
        written = json.dumps(schemas, allow_nan=False, ensure_ascii=False)
        size = len(written.encode())
    except (TypeError, ValueError) as error:
        yield f"cannot be written as JSON: {error}."
        return
    if size > _LARGEST_SCHEMAS:
        yield f"{size} bytes of JSON; at most {_LARGEST_SCHEMAS} are sent."
        return
    prediction = schemas["prediction"]
    for part in ("input", "output"):
        if part not in prediction:
            yield f"prediction.{part} is missing."
    for part in ("input", "output", "stream_output"):
        if part in prediction:
            yield from (f"prediction.{part} {problem}" for problem in _problems_of_schema(prediction[part]))


def _problems_of_schema(schema: object) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        yield f"must be a JSON Schema object, not a {type(schema).__name__}."
        return
    draft = schema.get("$schema", _DRAFT)
    if not isinstance(draft, str) or draft.rstrip("#") != _DRAFT:
        yield f"declares $schema {str(draft)[:100]!r}; the service takes Draft 2020-12 ({_DRAFT})."
        return
    try:
        # Without a check of formats: that of patterns is Python's, and schemas write them as ECMA-262 has them.
        Draft202012Validator.check_schema(cast("Any", schema), format_checker=FormatChecker(formats=()))
    except RecursionError:
        yield "is nested too deeply."
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "the top"
        yield f"is not a JSON Schema of Draft 2020-12: at {where}: {error.message[:300]}"


def _is_broken(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _is_deeper_than(value: object, levels: int) -> bool:
    pending: list[tuple[object, int]] = [(value, 0)]
    while pending:
        current, depth = pending.pop()
        if depth > levels:
            return True
        children = (
            current.values() if isinstance(current, Mapping) else current if isinstance(current, list | tuple) else ()
        )
        pending.extend((child, depth + 1) for child in children)
    return False
