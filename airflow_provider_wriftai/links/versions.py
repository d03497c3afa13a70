"""The link from a task to its version."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_wriftai._airflow.compat import LINKS_ARE_STORED, BaseOperatorLink

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

LINK_KEY = "wriftai_version_link"
"""The key of the XCom that stores a task's link on Airflow 2, whose web server reads it."""

_ON_THE_OPERATOR = "_wriftai_page"


class WriftAIVersionLink(BaseOperatorLink):
    """Links to the version that a task published, fetched, or waited for, or to the model that it pruned."""

    name = "WriftAI"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the link of a task; empty if it has none yet, so that Airflow shows no button."""
        if LINKS_ARE_STORED:
            # Airflow calls this on the worker when the task ends, and stores the result.
            return getattr(operator, _ON_THE_OPERATOR, "")
        from airflow_provider_wriftai._airflow.compat import XCom

        return XCom.get_value(key=LINK_KEY, ti_key=ti_key) or ""


def store_link(
    operator: object, context: Mapping[str, Any], base_url: str, reference: str | None, model: str | None
) -> None:
    """Store the target of a task's link. If that fails, a warning is logged: a link is not worth a failed task.

    Args:
        operator: The task's operator.
        context: The task's context.
        base_url: The base URL of the API.
        reference: The version; None to link to the model.
        model: The model; None if it is unknown.
    """
    from airflow_provider_wriftai.client.web_pages import page_of

    try:
        page = page_of(base_url, reference, model)
        if page is None:
            return
        if LINKS_ARE_STORED:
            setattr(operator, _ON_THE_OPERATOR, page)
        elif "ti" in context:
            context["ti"].xcom_push(key=LINK_KEY, value=page)
    except Exception:  # any failure: a link is not worth a failed task
        log.warning("Cannot store the link to %s.", reference or model, exc_info=True)
