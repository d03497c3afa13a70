"""What the service accepts, and its 422 for everything else."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError


class RefusedError(Exception):
    """A request that is answered 422; ``detail`` lists what is wrong with it."""

    def __init__(self, detail: list[dict[str, Any]]) -> None:
        super().__init__(detail)
        self.detail = detail


def _json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    try:
        # Patterns are ECMA-262's, which Python's check of formats does not know.
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        raise ValueError(f"not a JSON Schema of Draft 2020-12: {error.message}") from error
    return schema


JsonSchema = Annotated[dict[str, Any], AfterValidator(_json_schema)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class SchemaIO(_Strict):
    """The schemas of a prediction."""

    input: JsonSchema
    output: JsonSchema
    stream_output: JsonSchema | None = None


class Schemas(_Strict):
    """The schemas of a version."""

    prediction: SchemaIO


class Configuration(_Strict):
    """How a version runs."""

    hardware_identifier: str
    variable_names: list[str]


class ConfigurationChange(_Strict):
    """A change of a configuration: what is left out stays."""

    hardware_identifier: str | None = None
    variable_names: list[str] | None = None


class CreateVersion(_Strict):
    """The body of a create."""

    release_notes: Annotated[str, StringConstraints(max_length=255)]
    schemas: Schemas
    container_image_digest: Annotated[str, StringConstraints(pattern=r"^sha256:[a-f0-9]{64}$")]
    compatibilities: dict[str, bool] | None = None
    configuration: Configuration | None = None


class Page(BaseModel):
    """The query of a list."""

    page_size: Annotated[int, Field(ge=5, le=50)] = 25
    cursor: str | None = None


ModelT = TypeVar("ModelT", bound=BaseModel)


def validated(model: type[ModelT], value: object, where: str) -> ModelT:
    """Check a value.

    Args:
        model: What it must be.
        value: The parsed body, or the query.
        where: ``body`` or ``query``: how the ``loc`` of each problem begins.

    Raises:
        RefusedError: It is not that.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise RefusedError(
            [{"loc": [where, *entry["loc"]], "msg": entry["msg"], "type": entry["type"]} for entry in problems]
        ) from error
