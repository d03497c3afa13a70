"""Operators for one version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider_wriftai._airflow.compat import AirflowFailException, BaseOperator
from airflow_provider_wriftai._airflow.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai._airflow.interruptible import InterruptibleMixin
from airflow_provider_wriftai._airflow.metrics import count, timed
from airflow_provider_wriftai._airflow.parameters import NOTSET, ExplicitParameters, NotSet, none_if_notset
from airflow_provider_wriftai._airflow.task_state import find_task_state, is_retry
from airflow_provider_wriftai._airflow.templating import TemplateFieldsMixin
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook
from airflow_provider_wriftai.links.versions import WriftAIVersionLink, store_link

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_wriftai._airflow.compat import Context, XComArg
    from airflow_provider_wriftai.domain.images.image import Image
    from airflow_provider_wriftai.domain.images.read import BuildResult
    from airflow_provider_wriftai.domain.publishing.outcome import PublishResult
    from airflow_provider_wriftai.domain.publishing.publish import IfExists, OnDuplicate

STATE_KEY = "wriftai_create_version"
"""The key of Airflow's task state store under which the create operator keeps its journal."""


_OPTIONAL = ("image_selector", "compatibilities", "configuration")


def _empty_if_none(value: Any) -> Any:
    return "" if value is None else value


class WriftAICreateVersionOperator(InterruptibleMixin, TemplateFieldsMixin, BaseOperator):
    """Publish a container image as a version of a model: exactly one.

    The operator validates all inputs before it sends a request. If a create request has no clear outcome (a timeout, a
    dropped connection, a 5xx response), it searches for the version for up to ``settle_seconds`` before it tries again.
    An image that has a version among the newest ``lookback`` gets no second one, unless ``if_exists`` says so. On
    Airflow 3.3 the task keeps a journal over its tries: a try that follows a killed one, or a user's clear, returns the
    version that the earlier one created.

    The task returns ``reference``, ``number`` (or ``id``), ``release_notes``, ``created_at``, ``size``, and
    ``container_image_digest`` as far as the service reports them, and ``outcome``: ``created``, ``adopted`` (created by
    a request whose response was lost), ``reused``, or ``remembered`` (from an earlier try).

    It adds no outlet by itself. If the task has the model's asset as an outlet (``outlets=[model_asset(model)]``), the
    event contains the same fields and ``model``; ``assets.events.version_of`` reads them.

    If Airflow stops the task, no request begins afterwards. A task that somebody marked as success while it ran ends
    without an error, and its result is empty.

    Args:
        model: ``owner/name``.
        image: A digest, an image reference that ends in a digest, or the output of a build tool: the path of a digest
            file, a metadata file, or an OCI image layout on this worker, or the metadata itself as a dict or JSON text.
        release_notes: What changed, at most 255 characters; or the name of a ``.md`` template file.
        schemas: The JSON Schemas of the version, as a dict or JSON text:
            ``{"prediction": {"input": {...}, "output": {...}}}``; or the name of a ``.json`` template file.
        image_selector: Which image, if the build made several: the target of a bake, an image's name, or its name or
            platform in an OCI layout.
        compatibilities: Which endpoints of other vendors the version can serve, each with true or false (generation 2
            of the API).
        configuration: The version's ``hardware_identifier`` and ``variable_names`` (generation 2 of the API). By
            default, that of the previous version.
        if_exists: What to do if the image has a version: ``reuse`` returns it, ``fail`` fails the task, ``create``
            creates another one.
        lookback: How many of the newest versions to search for the image: 1 to 50.
        settle_seconds: How many seconds to search for a version whose create request had no clear outcome. By then the
            service must have executed the request, or never will.
        on_duplicate: What to do if a task on another machine creates a version of the image at the same moment:
            ``keep`` keeps both; ``delete_own`` deletes the version that this try has just created if an older one is of
            the same image, and returns that. Set it in all tasks that publish to the model, or in none.
        remember: Whether to keep a journal over the task's tries (Airflow 3.3). Without it, a task that is cleared
            publishes again, as ``if_exists`` says.
        wriftai_conn_id: The Airflow connection.
    """

    template_fields: Sequence[str] = (
        "model",
        "image",
        "release_notes",
        "schemas",
        "image_selector",
        "compatibilities",
        "configuration",
        "if_exists",
        "lookback",
        "settle_seconds",
        "on_duplicate",
        "remember",
        "wriftai_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"release_notes": "md", "schemas": "json", "image": "json"}
    template_ext: Sequence[str] = (".md", ".json")
    template_file_fields: ClassVar[tuple[str, ...]] = ("release_notes", "schemas")
    template_text_fields: ClassVar[tuple[str, ...]] = (
        "model",
        "release_notes",
        "if_exists",
        "on_duplicate",
        "wriftai_conn_id",
    )
    template_object_fields: ClassVar[tuple[str, ...]] = (
        "image",
        "schemas",
        "image_selector",
        "compatibilities",
        "configuration",
    )
    operator_extra_links = (WriftAIVersionLink(),)
    ui_color = "#dcecf9"

    def __init__(
        self,
        *,
        model: str | XComArg,
        image: BuildResult | XComArg,
        release_notes: str | XComArg,
        schemas: Mapping[str, Any] | str | XComArg,
        image_selector: str | XComArg | NotSet = NOTSET,
        compatibilities: Mapping[str, bool | XComArg] | str | XComArg | NotSet = NOTSET,
        configuration: Mapping[str, Any] | str | XComArg | NotSet = NOTSET,
        if_exists: IfExists | str | XComArg = "reuse",
        lookback: int | str | XComArg = 10,
        settle_seconds: float | timedelta | str | XComArg = 120,
        on_duplicate: OnDuplicate | str | XComArg = "keep",
        remember: bool | str | XComArg = True,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # Any: what a template or another task makes of a parameter is checked when the task runs.
        self.model: Any = model
        self.image: Any = image
        self.release_notes: Any = release_notes
        self.schemas: Any = schemas
        self._explicit = ExplicitParameters(
            image_selector=image_selector, compatibilities=compatibilities, configuration=configuration
        )
        self.image_selector: Any = none_if_notset(image_selector)
        self.compatibilities: Any = none_if_notset(compatibilities)
        self.configuration: Any = none_if_notset(configuration)
        self.if_exists = if_exists
        self.lookback = lookback
        self.settle_seconds = settle_seconds
        self.on_duplicate = on_duplicate
        self.remember = remember
        self.wriftai_conn_id = wriftai_conn_id
        self._published: tuple[PublishResult, Image, str, str] | None = None

    def execute(self, context: Context) -> Any:
        """Publish the image."""
        from airflow_provider_wriftai._airflow.failures import fail_without_retry
        from airflow_provider_wriftai._airflow.outlet_events import describe_publish
        from airflow_provider_wriftai._airflow.parameters import (
            ErrorCollector,
            parse_bool,
            parse_choice,
            parse_int,
            parse_seconds,
        )
        from airflow_provider_wriftai._airflow.publish_lock import identify_task, publish_lock
        from airflow_provider_wriftai.assets.models import model_asset
        from airflow_provider_wriftai.domain.errors import TaskStoppedError
        from airflow_provider_wriftai.domain.publishing.preflight import check_new_version
        from airflow_provider_wriftai.domain.publishing.publish import PublishOptions, publish
        from airflow_provider_wriftai.domain.results import version_result
        from airflow_provider_wriftai.domain.sansio import arun

        with fail_without_retry():
            errors = ErrorCollector()
            if_exists = errors.collect(parse_choice, "if_exists", self.if_exists, ("reuse", "fail", "create"))
            on_duplicate = errors.collect(parse_choice, "on_duplicate", self.on_duplicate, ("keep", "delete_own"))
            options = PublishOptions(
                if_exists=cast("IfExists", if_exists),
                lookback=errors.collect(parse_int, "lookback", self.lookback, least=1, most=50),
                settle_seconds=errors.collect(parse_seconds, "settle_seconds", self.settle_seconds, most=3600),
                on_duplicate=cast("OnDuplicate", on_duplicate),
                is_retry=is_retry(context),
            )
            remember = errors.collect(parse_bool, "remember", self.remember)
            new = check_new_version(
                self.model,
                self.image,
                self.release_notes,
                self.schemas,
                # A template that rendered to None counts as empty text: only a parameter that is not set is left out.
                **{name: self._explicit.parse(self, name, _empty_if_none) for name in _OPTIONAL},
                problems=errors.problems,
            )
            for warning in new.image.warnings:
                self.log.warning("%s", warning)
            model = str(new.model)
            state = find_task_state(context, STATE_KEY) if remember else None
            api = WriftAIHook(self.wriftai_conn_id).get_conn()
            operations = publish(
                new.model, new.params, options, service=api.base_url, state=state, is_stopped=self.is_stopped
            )

            async def run() -> PublishResult:
                if options.if_exists == "create":
                    # Whatever other tasks create, this one creates another version.
                    return await arun(api, operations)
                async with publish_lock(api.base_url, model, new.image.digest, holder=identify_task(context)):
                    return await arun(api, operations)

            with timed("publish"):
                result = self.run_interruptibly(api, run, context, lambda: TaskStoppedError.while_publishing(model))
        if result is None:
            return None
        self._published = result, new.image, model, api.base_url
        count(f"publish.{result.outcome}")
        store_link(self, context, api.base_url, str(result.version.reference), model)
        describe_publish(
            context, self.outlets, model, result, lambda: model_asset(model, wriftai_conn_id=self.wriftai_conn_id)
        )
        return version_result(result.version, outcome=str(result.outcome))

    def get_openlineage_facets_on_complete(self, _: Any) -> OperatorLineage[Any, Any]:
        """Report to OpenLineage, if Airflow's provider for it is installed, which image became which version."""
        from airflow_provider_wriftai._airflow.openlineage import lineage_of_publish, no_lineage

        return no_lineage() if self._published is None else lineage_of_publish(*self._published)


class WriftAIGetVersionOperator(InterruptibleMixin, TemplateFieldsMixin, BaseOperator):
    """Fetch a version.

    A version that does not exist fails the task; to wait for one, use ``WriftAIVersionSensor``. The task returns the
    same fields as ``WriftAICreateVersionOperator``, without ``outcome``.

    Args:
        version: The id of the version, ``owner/name:number``, or a version as a task returned it.
        include_schemas: Whether the result also contains the version's ``schemas``, as JSON text. They were written by
            whoever published the version, and can be large.
        wriftai_conn_id: The Airflow connection.
    """

    template_fields: Sequence[str] = ("version", "include_schemas", "wriftai_conn_id")
    template_text_fields: ClassVar[tuple[str, ...]] = ("wriftai_conn_id",)
    template_object_fields: ClassVar[tuple[str, ...]] = ("version",)
    operator_extra_links = (WriftAIVersionLink(),)
    ui_color = "#dcecf9"

    def __init__(
        self,
        *,
        version: str | Mapping[str, Any] | XComArg,
        include_schemas: bool | str | XComArg = False,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.include_schemas = include_schemas
        self.wriftai_conn_id = wriftai_conn_id

    def execute(self, context: Context) -> Any:
        """Fetch the version."""
        from airflow_provider_wriftai._airflow.failures import fail_without_retry
        from airflow_provider_wriftai._airflow.parameters import parse_bool, parse_version_reference
        from airflow_provider_wriftai.client.endpoints import get_version
        from airflow_provider_wriftai.client.references import parse_version
        from airflow_provider_wriftai.domain.errors import TaskStoppedError
        from airflow_provider_wriftai.domain.results import version_result

        with fail_without_retry():
            reference = parse_version(parse_version_reference("version", self.version))
            include_schemas = parse_bool("include_schemas", self.include_schemas)
            api = WriftAIHook(self.wriftai_conn_id).get_conn()
            stopped = TaskStoppedError.while_reading(f"fetching {reference}")
            version = self.run_interruptibly(
                api, lambda: api.async_request(get_version(reference, strict=include_schemas)), context, lambda: stopped
            )
        if version is None:
            return None
        self.log.info("Fetched %s.", reference)
        store_link(self, context, api.base_url, str(reference), None)
        return version_result(version, with_schemas=include_schemas)


class WriftAIDeleteVersionOperator(InterruptibleMixin, TemplateFieldsMixin, BaseOperator):
    """Delete one version, even the newest, which callers get if they do not name a version.

    To prune a model's versions by rules, use ``WriftAICleanupVersionsOperator``. The task returns ``reference`` and
    ``deleted``, which is false if the version did not exist.

    Args:
        version: The id of the version, ``owner/name:number``, or a version as a task returned it.
        fail_if_missing: Whether a version that does not exist fails the task.
        wriftai_conn_id: The Airflow connection.
    """

    template_fields: Sequence[str] = ("version", "fail_if_missing", "wriftai_conn_id")
    template_text_fields: ClassVar[tuple[str, ...]] = ("wriftai_conn_id",)
    template_object_fields: ClassVar[tuple[str, ...]] = ("version",)
    ui_color = "#f9e6dc"

    def __init__(
        self,
        *,
        version: str | Mapping[str, Any] | XComArg,
        fail_if_missing: bool | str | XComArg = False,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.fail_if_missing = fail_if_missing
        self.wriftai_conn_id = wriftai_conn_id
        self._deleted_from: tuple[str, str] | None = None

    def execute(self, context: Context) -> Any:
        """Delete the version."""
        from airflow_provider_wriftai._airflow.failures import fail_without_retry
        from airflow_provider_wriftai._airflow.parameters import parse_bool, parse_version_reference
        from airflow_provider_wriftai.client.errors import NotFoundError
        from airflow_provider_wriftai.client.references import VersionNumber, parse_version
        from airflow_provider_wriftai.domain.errors import TaskStoppedError
        from airflow_provider_wriftai.domain.retention.single_delete import delete
        from airflow_provider_wriftai.domain.sansio import arun

        with fail_without_retry():
            reference = parse_version(parse_version_reference("version", self.version))
            fail_if_missing = parse_bool("fail_if_missing", self.fail_if_missing)
            api = WriftAIHook(self.wriftai_conn_id).get_conn()

            async def run() -> bool:
                try:
                    await arun(api, delete(reference))
                except NotFoundError as error:
                    if fail_if_missing:
                        # No retry can help: numbers and ids are never used again.
                        raise AirflowFailException(str(error)) from None
                    return False
                return True

            stopped = TaskStoppedError.while_changing(f"deleting {reference}")
            deleted = self.run_interruptibly(api, run, context, lambda: stopped)
        if deleted is None:
            return None
        count("delete.deleted" if deleted else "delete.already_gone")
        self.log.info("Deleted %s." if deleted else "%s does not exist, so there is nothing to delete.", reference)
        if deleted and isinstance(reference, VersionNumber):
            self._deleted_from = str(reference.model), api.base_url
        return {"reference": str(reference), "deleted": deleted}

    def get_openlineage_facets_on_complete(self, _: Any) -> OperatorLineage[Any, Any]:
        """Report to OpenLineage, if Airflow's provider for it is installed, that a version of the model was deleted.

        An id (generation 1 of the API) does not say which model it belongs to, so nothing is reported for one.
        """
        from airflow_provider_wriftai._airflow.openlineage import lineage_of_delete, no_lineage

        return no_lineage() if self._deleted_from is None else lineage_of_delete(*self._deleted_from)


class WriftAIUpdateVersionConfigurationOperator(InterruptibleMixin, TemplateFieldsMixin, BaseOperator):
    """Change the configuration of a version: the hardware it runs on, and the variables it reads.

    Requires generation 2 of the API. The task sends nothing if the configuration already is as requested, so it can be
    repeated. It returns ``reference``, ``hardware_identifier``, ``variable_names``, and ``changed``.

    Args:
        version: ``owner/name:number``, or a version as a task returned it.
        hardware_identifier: The hardware that the version runs on. By default, it does not change.
        variable_names: The names of the variables that the version reads; they replace all current ones. By default,
            they do not change.
        wriftai_conn_id: The Airflow connection.
    """

    template_fields: Sequence[str] = ("version", "hardware_identifier", "variable_names", "wriftai_conn_id")
    template_text_fields: ClassVar[tuple[str, ...]] = ("hardware_identifier", "wriftai_conn_id")
    template_object_fields: ClassVar[tuple[str, ...]] = ("version", "variable_names")
    operator_extra_links = (WriftAIVersionLink(),)
    ui_color = "#dcecf9"

    def __init__(
        self,
        *,
        version: str | Mapping[str, Any] | XComArg,
        hardware_identifier: str | XComArg | NotSet = NOTSET,
        variable_names: Sequence[str | XComArg] | str | XComArg | NotSet = NOTSET,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._explicit = ExplicitParameters(hardware_identifier=hardware_identifier, variable_names=variable_names)
        self.version = version
        self.hardware_identifier = none_if_notset(hardware_identifier)
        self.variable_names = none_if_notset(variable_names)
        self.wriftai_conn_id = wriftai_conn_id

    def execute(self, context: Context) -> Any:
        """Change the configuration."""
        from airflow_provider_wriftai._airflow.failures import fail_without_retry
        from airflow_provider_wriftai._airflow.parameters import (
            InvalidParameterError,
            parse_list,
            parse_str,
            parse_version_reference,
        )
        from airflow_provider_wriftai.client.references import parse_version
        from airflow_provider_wriftai.domain.configuration import update
        from airflow_provider_wriftai.domain.errors import TaskStoppedError
        from airflow_provider_wriftai.domain.sansio import arun

        with fail_without_retry():
            reference = parse_version(parse_version_reference("version", self.version))
            hardware = self._explicit.parse(
                self, "hardware_identifier", lambda value: parse_str("hardware_identifier", value)
            )
            names = self._explicit.parse(
                self, "variable_names", lambda value: [] if value == "" else parse_list("variable_names", value)
            )
            if hardware is None and names is None:
                raise InvalidParameterError("Set hardware_identifier, variable_names, or both.")
            if not all(isinstance(name, str) and name for name in names or []):
                raise InvalidParameterError("variable_names must be a list of names, each of them text.")
            api = WriftAIHook(self.wriftai_conn_id).get_conn()
            operations = update(reference, hardware, names, is_stopped=self.is_stopped)
            stopped = TaskStoppedError.while_changing(f"updating the configuration of {reference}")
            done = self.run_interruptibly(api, lambda: arun(api, operations), context, lambda: stopped)
        if done is None:
            return None
        self.log.info(
            "Updated the configuration of %s." if done.changed else "The configuration of %s is already as requested.",
            reference,
        )
        count("configuration.updated" if done.changed else "configuration.unchanged")
        store_link(self, context, api.base_url, str(reference), None)
        return {
            "reference": str(reference),
            "hardware_identifier": done.hardware_identifier,
            "variable_names": list(done.variable_names),
            "changed": done.changed,
        }
