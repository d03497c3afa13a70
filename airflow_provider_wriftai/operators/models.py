"""The operator that lists the models of an owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_wriftai._airflow.compat import BaseOperator
from airflow_provider_wriftai._airflow.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai._airflow.templating import TemplateFieldsMixin
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook

if TYPE_CHECKING:
    from airflow_provider_wriftai._airflow.compat import Context, XComArg


class WriftAIListModelsOperator(TemplateFieldsMixin, BaseOperator):
    """List the models of an owner, and return their references: ``["acme/detector", "acme/sentiment"]``.

    The list is sorted. Expand another operator over it to do the same for every model that exists when the DAG runs::

        models = WriftAIListModelsOperator(task_id="models", model_owner="acme")
        WriftAICleanupVersionsOperator.partial(task_id="prune", keep_last=10).expand(model=models.output)

    Args:
        model_owner: The username of the owner.
        wriftai_conn_id: The Airflow connection.
    """

    template_fields: Sequence[str] = ("model_owner", "wriftai_conn_id")
    template_text_fields: ClassVar[tuple[str, ...]] = ("model_owner", "wriftai_conn_id")
    ui_color = "#dcecf9"

    def __init__(
        self, *, model_owner: str | XComArg, wriftai_conn_id: str = DEFAULT_CONNECTION_ID, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.model_owner = model_owner
        self.wriftai_conn_id = wriftai_conn_id

    def execute(self, context: Context) -> list[str]:
        """List the models."""
        from airflow_provider_wriftai._airflow.failures import fail_without_retry
        from airflow_provider_wriftai._airflow.parameters import parse_str
        from airflow_provider_wriftai.client.endpoints import list_models
        from airflow_provider_wriftai.client.pagination import iterate_pages
        from airflow_provider_wriftai.client.text import format_count

        with fail_without_retry():
            owner = parse_str("model_owner", self.model_owner).strip()
            with WriftAIHook(self.wriftai_conn_id).get_conn() as api:
                pages = iterate_pages(lambda options: api.request(list_models(owner, options)))
                models = sorted({f"{model['owner']}/{model['name']}" for page in pages for model in page.items})
        self.log.info("%s has %s.", owner, format_count(len(models), "model"))
        return models
