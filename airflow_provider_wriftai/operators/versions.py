"""Operators for one version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider_wriftai._airflow.compat import ADDED_OUTLETS_WORK, BaseOperator, is_from_mapped
from airflow_provider_wriftai._airflow.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai._airflow.metrics import count, timed
from airflow_provider_wriftai._airflow.task_state import find_task_state, is_retry
from airflow_provider_wriftai._airflow.templating import TemplateFieldsMixin
from airflow_provider_wriftai.assets.models import model_asset
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook
from airflow_provider_wriftai.links.versions import WriftAIVersionLink, store_link

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_wriftai._airflow.compat import Context, XComArg
    from airflow_provider_wriftai.client.common_types import Version
    from airflow_provider_wriftai.domain.images.image import Image
    from airflow_provider_wriftai.domain.images.read import BuildResult
    from airflow_provider_wriftai.domain.publishing.publish import IfExists, PublishResult

_PLAIN_MODEL = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)

MEMORY_KEY = "wriftai_create_version"
"""Under which key of Airflow's task state store the create operator keeps what it is about to create."""


class WriftAICreateVersionOperator(TemplateFieldsMixin, BaseOperator):
    """Publishes an image as a version of a model: exactly one.

    What the service would refuse is told before anything is sent. A create without a clear answer
    (a timeout, a broken connection, a failing proxy) is settled by looking at what the service has.
    An image that has a version among the newest ``lookback`` gets no second one, unless ``if_exists`` says so.
    On Airflow 3.3 the task notes down what it is about to create: a try that follows a killed one, or a user's
    clear, gives back the version that the earlier one made.

    The task returns the version as plain JSON; its ``reference`` names it in other tasks. Where the model is no
    template, its asset ``wriftai://owner/name`` is an outlet (from Airflow 3.1 on): DAGs that are scheduled on it run
    afterwards.

    Args:
        model: ``owner/name``.
        image: A digest, an image reference that ends in one, or what a build left behind: the path of a
            digest file, of a build's metadata file or of an OCI image layout on this worker, or the metadata
            itself as a mapping or JSON.
        release_notes: What changed, at most 255 characters; or the name of a ``.md`` template file.
        schemas: The JSON Schemas of the version, as a mapping or as JSON text:
            ``{"prediction": {"input": {...}, "output": {...}}}``; or the name of a ``.json`` template file.
        image_selector: Which image is meant, where the build made several: the target of a bake, an image's name,
            its name or platform in an OCI layout.
        compatibilities: Which foreign endpoints the version can stand in for, each with true or false
            (generation 2 of the API).
        configuration: The version's ``hardware_identifier`` and ``variable_names`` (generation 2 of the API). Left
            out, it is that of the previous version.
        if_exists: Where the image has a version already: ``reuse`` returns it, ``fail`` fails the task,
            ``create`` makes another one.
        lookback: How many of the newest versions are searched for the image: 1 to 50.
        settle_seconds: Seconds that the service may take to finish a create after its caller is gone; as long is
            looked for what became of one without a clear answer.
        remember: Whether the task keeps over its tries what it created (Airflow 3.3). Without, a task that is
            cleared publishes anew, as ``if_exists`` says.
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
        "remember",
        "wriftai_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"release_notes": "md", "schemas": "json", "image": "json"}
    template_ext: Sequence[str] = (".md", ".json")
    template_file_fields: ClassVar[tuple[str, ...]] = ("release_notes", "schemas")
    template_text_fields: ClassVar[tuple[str, ...]] = ("release_notes",)
    operator_extra_links = (WriftAIVersionLink(),)
    ui_color = "#dcecf9"

    def __init__(
        self,
        *,
        model: str,
        image: BuildResult | XComArg,
        release_notes: str,
        schemas: Mapping[str, Any] | str,
        image_selector: str | None = None,
        compatibilities: Mapping[str, bool] | str | None = None,
        configuration: Mapping[str, Any] | str | None = None,
        if_exists: IfExists = "reuse",
        lookback: int | str = 10,
        settle_seconds: float | str = 120,
        remember: bool | str = True,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.image = image
        self.release_notes = release_notes
        self.schemas = schemas
        self.image_selector = image_selector
        self.compatibilities = compatibilities
        self.configuration = configuration
        self.if_exists = if_exists
        self.lookback = lookback
        self.settle_seconds = settle_seconds
        self.remember = remember
        self.wriftai_conn_id = wriftai_conn_id
        self._published: tuple[PublishResult, Image] | None = None
        self._add_outlet()

    def _add_outlet(self) -> None:
        """Let DAGs that are scheduled on the model's asset run after this task, where the model is known."""
        # A mapped task has the outlets that it is partially made with: Airflow knows no others.
        is_known = isinstance(self.model, str) and _PLAIN_MODEL.fullmatch(self.model)
        if not ADDED_OUTLETS_WORK or not is_known or is_from_mapped(self):
            return
        asset = model_asset(self.model)
        if asset.uri not in [getattr(outlet, "uri", None) for outlet in self.outlets]:
            self.outlets = [*self.outlets, asset]

    def execute(self, context: Context) -> dict[str, Any]:
        """Publish the image."""
        from airflow_provider_wriftai._airflow.failures import fail_without_retry
        from airflow_provider_wriftai._airflow.parameters import (
            ErrorCollector,
            parse_bool,
            parse_choice,
            parse_int,
            parse_seconds,
        )
        from airflow_provider_wriftai.client.versions import Versions
        from airflow_provider_wriftai.domain.publishing.preflight import check_new_version
        from airflow_provider_wriftai.domain.publishing.publish import publish

        with fail_without_retry():
            errors = ErrorCollector()
            if_exists = errors.collect(parse_choice, "if_exists", self.if_exists, ("reuse", "fail", "create"))
            lookback = errors.collect(parse_int, "lookback", self.lookback, least=1, most=50)
            settle_seconds = errors.collect(parse_seconds, "settle_seconds", self.settle_seconds, most=3600)
            remember = errors.collect(parse_bool, "remember", self.remember)
            new = check_new_version(
                self.model,
                cast("BuildResult", self.image),
                self.release_notes,
                self.schemas,
                image_selector=self.image_selector,
                compatibilities=self.compatibilities,
                configuration=self.configuration,
                problems=errors.problems,
            )
            for warning in new.image.warnings:
                self.log.warning("%s", warning)
            with WriftAIHook(self.wriftai_conn_id).get_conn() as api, timed("publish"):
                published = publish(
                    Versions(api),
                    new.model,
                    new.params,
                    if_exists=cast("IfExists", if_exists),
                    lookback=lookback,
                    settle_seconds=settle_seconds,
                    memory=find_task_state(context, MEMORY_KEY) if remember else None,
                    is_retry=is_retry(context),
                )
        self._published = published, new.image
        count(f"publish.{published.outcome}")
        store_link(self, context, api.base_url, published.version["reference"], self.model)
        self._tell_of(published.version, new.image.digest, context)
        return dict(published.version)

    def get_openlineage_facets_on_complete(self, _: Any) -> OperatorLineage[Any, Any]:
        """Tell OpenLineage, where Airflow's provider for it is installed, which image became which version."""
        from airflow_provider_wriftai._airflow.openlineage import lineage_of_publish, no_lineage

        if self._published is None:
            return no_lineage()
        return lineage_of_publish(*self._published, self.model)

    def _tell_of(self, version: Version, digest: str, context: Context) -> None:
        """Say in the asset's event which version it is about."""
        for outlet in self.outlets:
            if getattr(outlet, "uri", None) == model_asset(self.model).uri and "outlet_events" in context:
                context["outlet_events"][outlet].extra = {
                    "reference": version["reference"],
                    "container_image_digest": digest,
                }


class WriftAIGetVersionOperator(BaseOperator):
    """Fetches a version, and returns it as plain JSON.

    A version that is not there fails the task; to wait for one there is the sensor.

    Args:
        version: The version's id, or ``owner/name:number``.
        wriftai_conn_id: The Airflow connection.
    """

    template_fields: Sequence[str] = ("version", "wriftai_conn_id")
    operator_extra_links = (WriftAIVersionLink(),)
    ui_color = "#dcecf9"

    def __init__(self, *, version: str | XComArg, wriftai_conn_id: str = DEFAULT_CONNECTION_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.wriftai_conn_id = wriftai_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Fetch the version."""
        from airflow_provider_wriftai._airflow.failures import fail_without_retry
        from airflow_provider_wriftai._airflow.parameters import parse_version_reference
        from airflow_provider_wriftai.client.versions import Versions

        with fail_without_retry():
            reference = parse_version_reference("version", self.version)
            with WriftAIHook(self.wriftai_conn_id).get_conn() as api:
                version = Versions(api).get(reference)
        self.log.info("Fetched %s.", reference)
        store_link(self, context, api.base_url, reference, None)
        return dict(version)


class WriftAIDeleteVersionOperator(BaseOperator):
    """Deletes one version, whichever it is: also the newest, which callers get who name none.

    To prune the versions of a model by rules there is ``WriftAICleanupVersionsOperator``. The task returns
    ``{"reference": ..., "deleted": ...}``: ``deleted`` is false where the version was gone already.

    Args:
        version: The version's id, or ``owner/name:number``.
        fail_if_missing: Whether a version that is not there fails the task. By default that is what was asked for.
        wriftai_conn_id: The Airflow connection.
    """

    template_fields: Sequence[str] = ("version", "fail_if_missing", "wriftai_conn_id")
    ui_color = "#f9e6dc"

    def __init__(
        self,
        *,
        version: str | XComArg,
        fail_if_missing: bool | str = False,
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.fail_if_missing = fail_if_missing
        self.wriftai_conn_id = wriftai_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Delete the version."""
        from airflow_provider_wriftai._airflow.failures import fail_without_retry
        from airflow_provider_wriftai._airflow.parameters import parse_bool, parse_version_reference
        from airflow_provider_wriftai.client.errors import NotFoundError
        from airflow_provider_wriftai.client.versions import Versions

        deleted = True
        with fail_without_retry():
            reference = parse_version_reference("version", self.version)
            fail_if_missing = parse_bool("fail_if_missing", self.fail_if_missing)
            with WriftAIHook(self.wriftai_conn_id).get_conn() as api:
                try:
                    Versions(api).delete(reference)
                except NotFoundError:
                    if fail_if_missing:
                        raise
                    deleted = False
        count("delete.deleted" if deleted else "delete.already_gone")
        self.log.info("Deleted %s." if deleted else "%s was gone already.", reference)
        return {"reference": reference, "deleted": deleted}
