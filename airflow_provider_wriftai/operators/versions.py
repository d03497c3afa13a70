"""Operators for one version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_wriftai.connection import DEFAULT_CONNECTION_ID
from airflow_provider_wriftai.hooks.wriftai import WriftAIHook

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, XComArg

    from airflow_provider_wriftai.publishing.image_digest import BuildResult
    from airflow_provider_wriftai.publishing.publish import IfExists


class WriftAICreateVersionOperator(BaseOperator):
    """Publishes an image as a version of a model: exactly one.

    What the service would refuse is told before anything is sent. A create without a clear answer
    (a timeout, a broken connection, a failing proxy) is settled by looking at what the service has.
    An image that has a version among the newest ten gets no second one, unless ``if_exists`` says so.

    The task returns the version as plain JSON; its ``reference`` names it in other tasks.

    Args:
        model: ``owner/name``.
        image: A digest, an image reference that ends in one, or what a build left behind: the path of a
            digest file, of a build's metadata file or of an OCI image layout on this worker, or the metadata
            itself as a mapping or JSON.
        release_notes: What changed, at most 255 characters.
        schemas: The JSON Schemas of the version, as a mapping or as JSON text:
            ``{"prediction": {"input": {...}, "output": {...}}}``.
        if_exists: Where the image has a version already: ``reuse`` returns it, ``fail`` fails the task,
            ``create`` makes another one.
        wriftai_conn_id: The Airflow connection.
    """

    template_fields: Sequence[str] = (
        "model",
        "image",
        "release_notes",
        "schemas",
        "if_exists",
        "wriftai_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"release_notes": "md", "schemas": "json", "image": "json"}
    ui_color = "#dcecf9"

    def __init__(
        self,
        *,
        model: str,
        image: BuildResult | XComArg,
        release_notes: str,
        schemas: Mapping[str, Any] | str,
        if_exists: IfExists = "reuse",
        wriftai_conn_id: str = DEFAULT_CONNECTION_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.image = image
        self.release_notes = release_notes
        self.schemas = schemas
        self.if_exists = if_exists
        self.wriftai_conn_id = wriftai_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Publish the image."""
        from airflow_provider_wriftai.client.versions import Versions
        from airflow_provider_wriftai.failures import final_errors_fail_the_task
        from airflow_provider_wriftai.publishing.preflight import check_new_version
        from airflow_provider_wriftai.publishing.publish import publish
        from airflow_provider_wriftai.templated import one_of

        with final_errors_fail_the_task():
            if_exists = cast("IfExists", one_of("if_exists", self.if_exists, ("reuse", "fail", "create")))
            model, params = check_new_version(
                self.model, cast("BuildResult", self.image), self.release_notes, self.schemas
            )
            with WriftAIHook(self.wriftai_conn_id).get_conn() as api:
                published = publish(Versions(api), model, params, if_exists=if_exists)
        return dict(published.version)
