"""Template files for some of an operator's fields, and for nothing else in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context


class TemplateFilesOperator(BaseOperator):
    """An operator of which some fields may name a template file, by ``template_ext``.

    Airflow takes every text that ends so for a file, wherever in a field it is: the path of a build's metadata, or a
    ``$ref`` deep in a schema. Here it is only the value of the named fields itself.
    """

    template_file_fields: ClassVar[tuple[str, ...]] = ()
    """Which fields may name a file; it is read when the task runs."""

    def resolve_template_files(self) -> None:
        """Leave the files alone while the DAG file is parsed."""
        self.prepare_template()

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render a value.

        Raises:
            AirflowFailException: It names a file that is not there.
        """
        import jinja2

        if not isinstance(content, str):
            return super().render_template(content, context, jinja_env, seen_oids)
        field = next((name for name in self.template_file_fields if content is getattr(self, name, None)), None)
        if field is None:
            environment = jinja_env or self.get_template_env()
            return self._render(environment.from_string(content), context)
        try:
            return super().render_template(content, context, jinja_env, seen_oids)
        except jinja2.TemplateNotFound as missing:
            if missing.name != content:
                raise
            raise AirflowFailException(
                f"{field} ends like the name of a file ({', '.join(self.template_ext)}), but there is no {content!r} "
                "in the DAG's folder or its template_searchpath. A text that is no name must not end so."
            ) from missing
