"""The link from a task to its version."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_wriftai._airflow.compat import LINKS_ARE_STORED, BaseOperatorLink

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

LINK_KEY = "wriftai_version_link"
"""Under which key of the task's XCom its link is kept on Airflow 2, whose web server asks for it."""

_ON_THE_OPERATOR = "_wriftai_page"


class WriftAIVersionLink(BaseOperatorLink):
    """Leads to the version that a task has published, fetched or waited for, or to the model that it has pruned."""

    name = "WriftAI"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Find the link of a task; empty where it has none yet, so that Airflow shows no button."""
        if LINKS_ARE_STORED:
            # Airflow asks when the task ends, where it ran, and keeps the answer.
            return getattr(operator, _ON_THE_OPERATOR, "")
        from airflow_provider_wriftai._airflow.compat import XCom

        return XCom.get_value(key=LINK_KEY, ti_key=ti_key) or ""


def store_link(
    operator: object, context: Mapping[str, Any], base_url: str, reference: str | None, model: str | None
) -> None:
    """Keep where a task's link leads to.

    Args:
        operator: The task's operator.
        context: The task's context.
        base_url: The API that the task has used.
        reference: The version; None where the task is about the model.
        model: The model, as far as it is known.
    """
    from airflow_provider_wriftai.client.web_pages import page_of

    page = page_of(base_url, reference, model)
    if page is None:
        return
    if LINKS_ARE_STORED:
        setattr(operator, _ON_THE_OPERATOR, page)
    elif "ti" in context:
        try:
            context["ti"].xcom_push(key=LINK_KEY, value=page)
        except Exception:  # a link is not worth a task that has done its work
            log.warning("The link to %s could not be kept.", page, exc_info=True)
