"""The operator that prunes the versions of a model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_wriftai.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, XComArg

    from airflow_provider_wriftai.retention.protection import Protected


class WriftAICleanupVersionsOperator(BaseOperator):
    """Deletes old versions of a model, and never the newest.

    A version goes only if every criterion that is given lets it go; at least one must be given. What is protected
    never goes. The whole list is read before the first delete, and ages are measured by the service's clock. The task
    returns the report as plain JSON: what was planned, kept and protected, each with its reason, what was deleted and
    what was gone already.

    Args:
        model: ``owner/name``.
        keep_last: How many of the newest versions stay, counted over all versions of the model: at least 1.
        older_than: Only versions older than this go: a timedelta, or a text such as ``30d`` (s, m, h, d, w).
        protect: What never goes: a list of references, numbers, image digests, or versions as tasks return them; a
            text with commas between them.
        protect_release_notes: A regular expression; versions in whose release notes it is found never go.
        max_deletions: How many versions may go at once: where more would, none does, and the task fails.
        dry_run: Whether only to report what would go.
        wriftai_conn_id: The Airflow connection.
    """

    template_fields: Sequence[str] = (
        "model",
        "keep_last",
        "older_than",
        "protect",
        "protect_release_notes",
        "max_deletions",
        "dry_run",
        "wriftai_conn_id",
    )
    ui_color = "#f9e6dc"

    _criteria: ClassVar[tuple[str, ...]] = (
        "keep_last",
        "older_than",
        "protect",
        "protect_release_notes",
        "max_deletions",
    )

    def __init__(
        self,
        *,
        model: str,
        keep_last: int | str | None = None,
        older_than: timedelta | str | None = None,
        protect: Sequence[Protected] | str | XComArg | None = None,
        protect_release_notes: str | None = None,
        max_deletions: int | str | None = None,
        dry_run: bool | str = False,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.keep_last = keep_last
        self.older_than = older_than
        self.protect = protect
        self.protect_release_notes = protect_release_notes
        self.max_deletions = max_deletions
        # Takes the place of a method of every operator, which `airflow tasks test --dry-run` calls. Under another
        # name than its parameter's, Airflow would not see what a mapped task's value depends on.
        self.dry_run = dry_run  # type: ignore[assignment, method-assign]
        self.wriftai_conn_id = wriftai_conn_id
        # What is given and comes to nothing when it is rendered is a mistake; what is left out is not.
        self._given = {name for name in self._criteria if getattr(self, name) is not None}

    def execute(self, context: Context) -> dict[str, Any]:
        """Prune the model."""
        import asyncio

        from airflow_provider_wriftai.client.references import ModelReference
        from airflow_provider_wriftai.client.versions import Versions
        from airflow_provider_wriftai.failures import final_errors_fail_the_task
        from airflow_provider_wriftai.retention.policy import RetentionPolicy
        from airflow_provider_wriftai.retention.protection import Protection
        from airflow_provider_wriftai.retention.prune import prune
        from airflow_provider_wriftai.retention.report import PruneReport
        from airflow_provider_wriftai.templated import age, flag, listed, text, whole_number

        def given(name: str, read: Any) -> Any:
            return read(name, getattr(self, name)) if name in self._given else None

        with final_errors_fail_the_task():
            model = ModelReference.parse(self.model)
            policy = RetentionPolicy(
                keep_last=given("keep_last", whole_number),
                older_than=given("older_than", age),
                protection=Protection.read(model, given("protect", listed) or [], given("protect_release_notes", text)),
                max_deletions=given("max_deletions", whole_number),
            )
            dry_run = flag("dry_run", self.dry_run)
            api = WriftAIHook(self.wriftai_conn_id).get_conn()

            async def carry_out() -> PruneReport:
                async with api:
                    return await prune(Versions(api), model, policy, dry_run=dry_run)

            report = asyncio.run(carry_out())
        return cast("dict[str, Any]", report)
