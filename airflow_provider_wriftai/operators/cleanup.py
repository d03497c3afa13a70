"""The operator that prunes the versions of a model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_wriftai.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class WriftAICleanupVersionsOperator(BaseOperator):
    """Deletes old versions of a model, and never the newest.

    A version goes only if every criterion that is given lets it go; at least one must be given. The whole
    list is read before the first delete, and ages are measured by the service's clock. The task
    returns the report as plain JSON: what was planned, deleted, already gone, kept and why.

    Args:
        model: ``owner/name``.
        keep_last: How many of the newest versions stay, counted over all versions of the model: at least 1.
        older_than: Only versions older than this go: a timedelta, or a text such as ``30d`` (s, m, h, d, w).
        dry_run: Whether only to report what would go.
        wriftai_conn_id: The Airflow connection.
    """

    template_fields: Sequence[str] = ("model", "keep_last", "older_than", "dry_run", "wriftai_conn_id")
    ui_color = "#f9e6dc"

    def __init__(
        self,
        *,
        model: str,
        keep_last: int | str | None = None,
        older_than: timedelta | str | None = None,
        dry_run: bool | str = False,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.keep_last = keep_last
        self.older_than = older_than
        # Takes the place of a method of every operator, which `airflow tasks test --dry-run` calls. Under another
        # name than its parameter's, Airflow would not see what a mapped task's value depends on.
        self.dry_run = dry_run  # type: ignore[assignment, method-assign]
        self._given = {
            name for name, value in (("keep_last", keep_last), ("older_than", older_than)) if value is not None
        }
        self.wriftai_conn_id = wriftai_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Prune the model."""
        from airflow_provider_wriftai.client.references import ModelReference
        from airflow_provider_wriftai.client.versions import Versions
        from airflow_provider_wriftai.failures import final_errors_fail_the_task
        from airflow_provider_wriftai.retention.policy import RetentionPolicy
        from airflow_provider_wriftai.retention.prune import prune
        from airflow_provider_wriftai.templated import age, flag, whole_number

        with final_errors_fail_the_task():
            model = ModelReference.parse(self.model)
            policy = RetentionPolicy(
                whole_number("keep_last", self.keep_last) if "keep_last" in self._given else None,
                age("older_than", self.older_than) if "older_than" in self._given else None,
            )
            dry_run = flag("dry_run", self.dry_run)
            with WriftAIHook(self.wriftai_conn_id).get_conn() as api:
                report = prune(Versions(api), model, policy, dry_run=dry_run)
        return cast("dict[str, Any]", report)
