"""Parse the parameters of a wait, on a worker and in the triggerer alike."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_wriftai._airflow.parameters import (
    ExplicitParameters,
    InvalidParameterError,
    parse_int,
    parse_model,
    parse_str,
    parse_version_reference,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_wriftai.domain.waiting.criteria import Criteria

START_CONTEXT = frozenset(
    {
        "dag_run", "data_interval_end", "data_interval_start", "ds", "ds_nodash", "logical_date", "macros", "params",
        "run_id", "ts", "ts_nodash", "ts_nodash_with_tz",
    }
)  # fmt: skip
"""Variables that a template may use if its task starts in the triggerer: plain data that the triggerer already has. For
others, the triggerer sends a request to Airflow while it renders. A request for an XCom gets no response there, and the
triggerer hangs with all its triggers (Airflow 3.3.2)."""


def parse_criteria(explicit: ExplicitParameters, task: object) -> Criteria:
    """Parse what a task waits for.

    Args:
        explicit: Which parameters the DAG sets.
        task: What has the rendered parameters: a sensor or a trigger.

    Raises:
        WriftAIError: A parameter is invalid.
    """
    from airflow_provider_wriftai.client.references import parse_version
    from airflow_provider_wriftai.domain.images.read import read_image_digest
    from airflow_provider_wriftai.domain.waiting.criteria import Criteria, read_newer_than, read_pattern

    parse = partial(explicit.parse, task)
    model = parse("model", lambda value: parse_model("model", value))
    return Criteria(
        version=parse("version", lambda value: parse_version(parse_version_reference("version", value))),
        model=model,
        digest=parse("image", read_image_digest),
        newer_than=parse("newer_than", lambda value: read_newer_than(model, value)),
        release_notes=parse("release_notes", lambda value: read_pattern(parse_str("release_notes", value))),
    )


def parse_max_failures(value: object) -> int:
    """Parse how many polls in a row may fail.

    Raises:
        InvalidParameterError: The value is invalid.
    """
    return parse_int("max_consecutive_failures", value, least=0, most=10**6)


def check_start_parameters(parameters: Iterable[tuple[str, object]]) -> None:
    """Check that the triggerer can render the parameters of a task that starts there.

    Args:
        parameters: The names and values, not rendered yet.

    Raises:
        InvalidParameterError: A parameter depends on another task, or on something else that a worker has to fetch.
    """
    for name, value in parameters:
        _check_start_parameter(name, value)


def _check_start_parameter(name: str, value: object) -> None:
    if isinstance(value, str):
        _check_template(name, value)
    elif isinstance(value, dict | list | tuple):
        for item in [*value.keys(), *value.values()] if isinstance(value, dict) else value:
            _check_start_parameter(name, item)
    elif value is not None and not isinstance(value, int | float):
        raise InvalidParameterError(
            f"{name} is a {type(value).__name__}. A task with start_from_trigger=True takes text, numbers, and lists "
            "or dicts of them. The result of another task needs a worker: set start_from_trigger=False."
        )


def _check_template(name: str, text: str) -> None:
    if "{" not in text:
        return
    from jinja2 import Environment, TemplateAssertionError, TemplateError, meta

    try:
        tree = Environment(autoescape=True).parse(text)
        foreign = meta.find_undeclared_variables(tree) - START_CONTEXT
        includes = any(True for _ in meta.find_referenced_templates(tree))
    except TemplateAssertionError as error:
        # A filter or a test that the DAG defines.
        raise InvalidParameterError(
            f"{name} cannot be rendered in the triggerer: {_reason_of(error)}. Set start_from_trigger=False."
        ) from error
    except (TemplateError, RecursionError) as error:
        raise InvalidParameterError(f"{name} is not a valid Jinja template: {_reason_of(error)}.") from error
    if foreign or includes:
        used = ", ".join(sorted(foreign)) if foreign else "another template"
        raise InvalidParameterError(
            f"{name} uses {used}, which the triggerer cannot provide. With start_from_trigger=True a template may use "
            f"{', '.join(sorted(START_CONTEXT))}. For anything else, such as an XCom, set start_from_trigger=False."
        )


def _reason_of(error: Exception) -> str:
    from airflow_provider_wriftai.client.text import escape

    # Without the position: Jinja names a file of its own.
    return escape(getattr(error, "message", None) or str(error)).removesuffix(".")
