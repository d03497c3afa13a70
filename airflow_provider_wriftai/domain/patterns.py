"""Regular expressions that a user gives."""

from __future__ import annotations

import re

from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.text import truncated_repr


def compiled(parameter: str, pattern: str, refusal: type[WriftAIError]) -> re.Pattern[str]:
    """Compile a pattern.

    Args:
        parameter: The parameter that it was given as, for the error.
        pattern: A regular expression (Python's ``re``).
        refusal: The class of the error.

    Raises:
        WriftAIError: Of the class ``refusal``: it does not compile.
    """
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise refusal(f"{parameter} is no regular expression: {error}; got {truncated_repr(pattern)}.") from error
