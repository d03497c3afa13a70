"""The operator that prunes the versions of a model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from airflow_provider_wriftai._airflow.compat import BaseOperator
from airflow_provider_wriftai._airflow.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai._airflow.interruptible import InterruptibleMixin
from airflow_provider_wriftai._airflow.metrics import count, timed
from airflow_provider_wriftai._airflow.parameters import NOTSET, ExplicitParameters, NotSet, none_if_notset
from airflow_provider_wriftai._airflow.task_marks import was_replaced
from airflow_provider_wriftai._airflow.templating import TemplateFieldsMixin
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook
from airflow_provider_wriftai.links.versions import WriftAIVersionLink, store_link

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_wriftai._airflow.compat import Context, XComArg
    from airflow_provider_wriftai.client.references import ModelReference
    from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy
    from airflow_provider_wriftai.domain.retention.report import PruneReport
    from airflow_provider_wriftai.domain.retention.selectors import VersionSelector

T = TypeVar("T")

_CRITERIA = ("keep_last", "older_than", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly", "max_deletions")


class WriftAICleanupVersionsOperator(InterruptibleMixin, TemplateFieldsMixin, BaseOperator):
    """Delete old versions of a model, and never the newest.

    A version is deleted only if every given criterion allows it, and nothing protects it. At least one criterion is
    required. The whole list is read before the first delete. The task returns a report as plain JSON: what was planned,
    kept, protected, deleted, and why.

    The criteria (``keep_last`` to ``keep_yearly``) and ``max_deletions`` also accept the text ``none``, which leaves
    them out: ``older_than="{{ params.older_than or 'none' }}"``.

    Args:
        model: ``owner/name``.
        keep_last: How many of the newest versions to keep, counted over all versions of the model: at least 1.
        older_than: Delete only versions older than this: a timedelta, text such as ``30d`` (s, min, h, d, w), or
            ISO 8601 such as ``P30D``.
        keep_daily: How many days to keep the newest version of, counting the latest days that have a version (UTC).
        keep_weekly: The same for weeks (ISO 8601).
        keep_monthly: The same for months.
        keep_yearly: The same for years.
        protect: What is never deleted: a list of references, numbers, image digests, or versions as tasks return them;
            or text with commas between the items.
        protect_release_notes: A regular expression. Versions whose release notes contain a match are never deleted.
        fail_on_unmatched_protection: Whether to fail, before the first delete, if a protection matches no version. By
            default that is a warning.
        only: The versions that may be deleted at all, such as the ``only`` in the report of a dry run that a person
            approved: a list of references, numbers, or versions as tasks return them.
        max_deletions: How many versions may be deleted at once. If the plan deletes more, none is deleted, and the task
            fails.
        dry_run: Whether to report only what would be deleted.
        wriftai_conn_id: The Airflow connection.
    """

    template_fields: Sequence[str] = (
        "model",
        "keep_last",
        "older_than",
        "keep_daily",
        "keep_weekly",
        "keep_monthly",
        "keep_yearly",
        "protect",
        "protect_release_notes",
        "fail_on_unmatched_protection",
        "only",
        "max_deletions",
        "dry_run",
        "wriftai_conn_id",
    )
    template_text_fields: ClassVar[tuple[str, ...]] = ("model", "protect_release_notes", "wriftai_conn_id")
    template_object_fields: ClassVar[tuple[str, ...]] = ("older_than", "protect", "only")
    operator_extra_links = (WriftAIVersionLink(),)
    ui_color = "#f9e6dc"

    def __init__(
        self,
        *,
        model: str | XComArg,
        keep_last: int | str | XComArg | NotSet = NOTSET,
        older_than: timedelta | str | XComArg | NotSet = NOTSET,
        keep_daily: int | str | XComArg | NotSet = NOTSET,
        keep_weekly: int | str | XComArg | NotSet = NOTSET,
        keep_monthly: int | str | XComArg | NotSet = NOTSET,
        keep_yearly: int | str | XComArg | NotSet = NOTSET,
        protect: Iterable[VersionSelector | XComArg] | str | XComArg | NotSet = NOTSET,
        protect_release_notes: str | XComArg | NotSet = NOTSET,
        fail_on_unmatched_protection: bool | str | XComArg = False,
        only: Iterable[VersionSelector | XComArg] | str | XComArg | NotSet = NOTSET,
        max_deletions: int | str | XComArg | NotSet = NOTSET,
        dry_run: bool | str | XComArg = False,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._explicit = ExplicitParameters(
            keep_last=keep_last,
            older_than=older_than,
            keep_daily=keep_daily,
            keep_weekly=keep_weekly,
            keep_monthly=keep_monthly,
            keep_yearly=keep_yearly,
            protect=protect,
            protect_release_notes=protect_release_notes,
            only=only,
            max_deletions=max_deletions,
        )
        # Any: what a template or another task makes of it is checked when the task runs.
        self.model: Any = model
        self.keep_last = none_if_notset(keep_last)
        self.older_than = none_if_notset(older_than)
        self.keep_daily = none_if_notset(keep_daily)
        self.keep_weekly = none_if_notset(keep_weekly)
        self.keep_monthly = none_if_notset(keep_monthly)
        self.keep_yearly = none_if_notset(keep_yearly)
        self.protect = none_if_notset(protect)
        self.protect_release_notes = none_if_notset(protect_release_notes)
        self.fail_on_unmatched_protection = fail_on_unmatched_protection
        self.only = none_if_notset(only)
        self.max_deletions = none_if_notset(max_deletions)
        # It replaces a method of every operator, which `airflow tasks test --dry-run` calls on Airflow 2. The attribute
        # needs the name of the parameter: otherwise Airflow does not resolve an XComArg in a mapped task.
        self.dry_run = dry_run  # type: ignore[assignment, method-assign]
        self.wriftai_conn_id = wriftai_conn_id
        self._report: PruneReport | None = None
        self._base_url = ""

    def execute(self, context: Context) -> Any:
        """Prune the model."""
        from airflow_provider_wriftai._airflow.failures import fail_without_retry
        from airflow_provider_wriftai._airflow.parameters import parse_model
        from airflow_provider_wriftai.domain.retention.errors import PruneStoppedError
        from airflow_provider_wriftai.domain.retention.prune import prune
        from airflow_provider_wriftai.domain.retention.record import PruneRecord

        record = PruneRecord()
        with fail_without_retry():
            model = parse_model("model", self.model)
            policy, dry_run = self._parse_policy(model)
            api = WriftAIHook(self.wriftai_conn_id).get_conn()
            self._base_url = api.base_url
            store_link(self, context, api.base_url, None, str(model))

            def begin() -> Coroutine[Any, Any, PruneReport]:
                return prune(api, model, policy, dry_run=dry_run, record=record)

            def stopped() -> PruneStoppedError:
                return PruneStoppedError(str(model), record.report())

            finished: PruneReport | None = None
            try:
                with timed("prune"):
                    finished = self.run_interruptibly(api, begin, context, stopped)
            finally:
                if finished is not None:
                    self._keep(finished)
                else:
                    # Record the deletes however the task ends: also by a mark, a timeout, or a signal.
                    self._keep_unfinished(context, record.report())
        return finished

    def get_openlineage_facets_on_complete(self, _: Any) -> OperatorLineage[Any, Any]:
        """Return what the prune did to the model, for Airflow's OpenLineage provider."""
        from airflow_provider_wriftai._airflow.openlineage import lineage_of_prune, no_lineage

        return no_lineage() if self._report is None else lineage_of_prune(self._report, self._base_url)

    def _parse_policy(self, model: ModelReference) -> tuple[RetentionPolicy, bool]:
        from airflow_provider_wriftai._airflow.parameters import (
            parse_bool,
            parse_duration,
            parse_int,
            parse_list,
            parse_str,
        )
        from airflow_provider_wriftai.domain.retention.calendar import CalendarRules
        from airflow_provider_wriftai.domain.retention.durations import is_omitted
        from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy
        from airflow_provider_wriftai.domain.retention.protection import Protection
        from airflow_provider_wriftai.domain.retention.selectors import parse_version_selectors

        def parse(name: str, parser: Callable[[str, Any], T]) -> T | None:
            if name in _CRITERIA and is_omitted(getattr(self, name)):
                return None
            return self._explicit.parse(self, name, lambda value: parser(name, value))

        only = parse("only", parse_list)
        protection = Protection.read(
            model, parse("protect", parse_list) or [], parse("protect_release_notes", parse_str)
        )
        policy = RetentionPolicy(
            keep_last=parse("keep_last", parse_int),
            older_than=parse("older_than", parse_duration),
            calendar=CalendarRules(
                keep_daily=parse("keep_daily", parse_int),
                keep_weekly=parse("keep_weekly", parse_int),
                keep_monthly=parse("keep_monthly", parse_int),
                keep_yearly=parse("keep_yearly", parse_int),
            ),
            protection=protection,
            only=None if only is None else parse_version_selectors("only", model, only),
            max_deletions=parse("max_deletions", parse_int),
            fail_on_unmatched_protection=parse_bool("fail_on_unmatched_protection", self.fail_on_unmatched_protection),
        )
        return policy, parse_bool("dry_run", self.dry_run)

    def _keep(self, report: PruneReport) -> None:
        """Keep the report for OpenLineage, and report its counts as metrics."""
        self._report = report
        _count(report)

    def _keep_unfinished(self, context: Context, report: PruneReport | None) -> None:
        """Keep the report of a task that fails or is stopped: its result, for tasks whose trigger rule lets them read
        it. That of a try that Airflow has replaced must not overwrite the report of the later try."""
        if report is None:
            return
        self._keep(report)
        if not was_replaced(context):
            # Airflow may refuse it from a task that somebody marked. The log has it.
            with contextlib.suppress(Exception):
                context["ti"].xcom_push(key="return_value", value=report)


def _count(report: Mapping[str, Any]) -> None:
    for name in ("deleted", "already_gone", "interrupted", "failed"):
        count(f"prune.{name}", report[f"{name}_count"])
    count("prune.unmatched_protections", len(report["unmatched_protections"]))
