"""The rules of the service for request bodies, and its 422 for everything else.

Nothing that is sent is dropped silently. Unknown fields are refused, except in ``schemas``, which keeps them.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError


class RefusedError(Exception):
    """The request is invalid (422); ``detail`` lists the problems."""

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


class _Closed(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Open(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class SchemaIO(_Open):
    """The schemas of a prediction."""

    input: JsonSchema
    output: JsonSchema
    stream_output: JsonSchema | None = None


class Schemas(_Open):
    """The schemas of a version."""

    prediction: SchemaIO


class Compatibilities(_Closed):
    """The endpoints of other services that a version is compatible with."""

    openai_chat_completions: bool = False
    openai_embeddings: bool = False
    openai_images_generations: bool = False
    openai_responses: bool = False
    anthropic_messages: bool = False


class Configuration(_Closed):
    """How a version runs."""

    hardware_identifier: str
    variable_names: list[str]


class ConfigurationChange(_Closed):
    """A change of a configuration. Fields that are not set keep their values."""

    hardware_identifier: str = ""
    variable_names: list[str] = []


class CreateVersion(_Closed):
    """The body of a create, up to 0.23."""

    release_notes: Annotated[str, StringConstraints(max_length=255)]
    schemas: Schemas
    container_image_digest: Annotated[str, StringConstraints(pattern=r"^sha256:[a-f0-9]{64}$")]


class CreateFlatVersion(CreateVersion, Compatibilities):
    """The body of a create in 0.24 to 0.26."""


class CreateCompatibleVersion(CreateVersion):
    """The body of a create in 0.27 to 0.30."""

    compatibilities: Compatibilities | None = None


class CreateConfiguredVersion(CreateCompatibleVersion):
    """The body of a create from 0.31 on."""

    configuration: Configuration | None = None


class Page(BaseModel):
    """The query of a list."""

    model_config = ConfigDict(extra="forbid")

    page_size: Annotated[int, Field(ge=5, le=50)] = 25
    cursor: str | None = None


ModelT = TypeVar("ModelT", bound=BaseModel)


def validated(model: type[ModelT], value: object, where: str) -> ModelT:
    """Validate a value.

    Args:
        model: The model to validate it against.
        value: The parsed body, or the query.
        where: ``body`` or ``query``: the start of the ``loc`` of each problem.

    Raises:
        RefusedError: The value is invalid.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise RefusedError(
            [{"loc": [where, *entry["loc"]], "msg": entry["msg"], "type": entry["type"]} for entry in problems]
        ) from error
