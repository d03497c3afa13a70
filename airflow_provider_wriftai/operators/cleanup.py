"""The operator that prunes the versions of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from airflow_provider_wriftai._airflow.compat import BaseOperator
from airflow_provider_wriftai._airflow.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai._airflow.metrics import count, timed
from airflow_provider_wriftai._airflow.parameters import NOTSET, ExplicitParameters, NotSet, none_if_notset
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook
from airflow_provider_wriftai.links.versions import WriftAIVersionLink, store_link

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_wriftai._airflow.compat import Context, XComArg
    from airflow_provider_wriftai._airflow.run_async import InterruptibleRun
    from airflow_provider_wriftai.domain.retention.report import PruneReport
    from airflow_provider_wriftai.domain.retention.selectors import Named

T = TypeVar("T")


class WriftAICleanupVersionsOperator(BaseOperator):
    """Deletes old versions of a model, and never the newest.

    A version goes only if every criterion that is given lets it go; at least one must be given. What is protected
    never delete. The whole list is read before the first delete, and ages are measured by the service's clock. The task
    returns the report as plain JSON: what was planned, kept and protected, each with its reason, what was deleted and
    what was gone already.

    Args:
        model: ``owner/name``.
        keep_last: How many of the newest versions stay, counted over all versions of the model: at least 1.
        older_than: Only versions older than this go: a timedelta, or a text such as ``30d`` (s, m, h, d, w).
        protect: What never delete: a list of references, numbers, image digests, or versions as tasks return them; a
            text with commas between them.
        protect_release_notes: A regular expression; versions in whose release notes it is found never go.
        only: The versions that may go at all, such as the ``planned`` of a rehearsal that a person approved: a list of
            references, numbers, or versions as tasks return them. Every other version stays.
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
        "only",
        "max_deletions",
        "dry_run",
        "wriftai_conn_id",
    )
    operator_extra_links = (WriftAIVersionLink(),)
    ui_color = "#f9e6dc"

    def __init__(
        self,
        *,
        model: str,
        keep_last: int | str | NotSet = NOTSET,
        older_than: timedelta | str | NotSet = NOTSET,
        protect: Sequence[Named] | str | XComArg | NotSet = NOTSET,
        protect_release_notes: str | NotSet = NOTSET,
        only: Sequence[Named] | str | XComArg | NotSet = NOTSET,
        max_deletions: int | str | NotSet = NOTSET,
        dry_run: bool | str = False,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._given = ExplicitParameters(
            keep_last=keep_last,
            older_than=older_than,
            protect=protect,
            protect_release_notes=protect_release_notes,
            only=only,
            max_deletions=max_deletions,
        )
        self.model = model
        self.keep_last = none_if_notset(keep_last)
        self.older_than = none_if_notset(older_than)
        self.protect = none_if_notset(protect)
        self.protect_release_notes = none_if_notset(protect_release_notes)
        self.only = none_if_notset(only)
        self.max_deletions = none_if_notset(max_deletions)
        # Takes the place of a method of every operator, which `airflow tasks test --dry-run` calls. Under another
        # name than its parameter's, Airflow would not see what a mapped task's value depends on.
        self.dry_run = dry_run  # type: ignore[assignment, method-assign]
        self.wriftai_conn_id = wriftai_conn_id
        self._pruning: InterruptibleRun[PruneReport] | None = None
        self._report: PruneReport | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Prune the model."""
        import asyncio

        from airflow_provider_wriftai._airflow.failures import fail_without_retry
        from airflow_provider_wriftai._airflow.parameters import (
            parse_bool,
            parse_duration,
            parse_int,
            parse_list,
            parse_str,
        )
        from airflow_provider_wriftai._airflow.run_async import InterruptibleRun
        from airflow_provider_wriftai.client.references import ModelReference
        from airflow_provider_wriftai.client.versions import Versions
        from airflow_provider_wriftai.domain.retention.errors import (
            PruneIncompleteError,
            PruneStoppedError,
            TooManyDeletionsError,
        )
        from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy
        from airflow_provider_wriftai.domain.retention.protection import Protection
        from airflow_provider_wriftai.domain.retention.prune import prune
        from airflow_provider_wriftai.domain.retention.selectors import read_versions

        def given(name: str, read: Callable[[str, Any], T]) -> T | None:
            return self._given.parse(self, name, lambda value: read(name, value))

        with fail_without_retry():
            model = ModelReference.parse(self.model)
            only = given("only", parse_list)
            policy = RetentionPolicy(
                keep_last=given("keep_last", parse_int),
                older_than=given("older_than", parse_duration),
                protection=Protection.read(
                    model, given("protect", parse_list) or [], given("protect_release_notes", parse_str)
                ),
                only=None if only is None else read_versions("only", model, only),
                max_deletions=given("max_deletions", parse_int),
            )
            dry_run = parse_bool("dry_run", self.dry_run)
            api = WriftAIHook(self.wriftai_conn_id).get_conn()

            async def carry_out() -> PruneReport:
                async with api:
                    return await prune(Versions(api), model, policy, dry_run=dry_run)

            store_link(self, context, api.base_url, None, str(model))
            self._pruning = InterruptibleRun(carry_out)
            try:
                with timed("prune"):
                    self._report = report = self._pruning.run()
                _count(report)
            except (PruneIncompleteError, TooManyDeletionsError) as error:
                self._report = cast("PruneReport", error.report)
                _count(error.report)
                context["ti"].xcom_push(key="return_value", value=error.report)
                raise
            except asyncio.CancelledError:
                raise PruneStoppedError(f"The prune of {model} was stopped; another try does the rest.") from None
        return cast("dict[str, Any]", report)

    def get_openlineage_facets_on_complete(self, _: Any) -> OperatorLineage[Any, Any]:
        """Tell OpenLineage, where Airflow's provider for it is installed, that versions of the model are gone."""
        from airflow_provider_wriftai._airflow.openlineage import lineage_of_prune, no_lineage

        return no_lineage() if self._report is None else lineage_of_prune(self._report)

    def on_kill(self) -> None:
        """Stop deleting: another try does the rest."""
        if self._pruning is not None:
            self._pruning.stop()


def _count(report: Mapping[str, Any]) -> None:
    for what in ("deleted", "already_gone", "failed"):
        count(f"prune.{what}", len(report[what]))
