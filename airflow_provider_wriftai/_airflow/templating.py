"""Template files for some of an operator's fields, and for nothing else in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context

_MARKS = ("{{", "{%")


class TemplateFilesOperator(BaseOperator):
    """An operator of which some fields may name a template file, by ``template_ext``.

    Airflow takes every text that ends so for a file, wherever in a field it is: the path of a build's metadata, or a
    ``$ref`` deep in a schema. Here it is only the value of the named fields itself.

    Texts inside of those fields, and files, stay texts in DAGs that render to Python's objects too, and texts without
    a mark of Jinja's stay as they are to the letter.
    """

    template_file_fields: ClassVar[tuple[str, ...]] = ()
    """Which fields may name a file; it is read when the task runs."""

    template_text_fields: ClassVar[tuple[str, ...]] = ()
    """Which fields are a text whatever comes of their template."""

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
            AirflowFailException: It names a file that is not there, or is no template.
        """
        if seen_oids is not None and id(content) in seen_oids:
            # What another task returned: it is a value and no template.
            return content
        environment = jinja_env or self.get_template_env()
        fields = (*self.template_file_fields, *self.template_text_fields)
        field = next((name for name in fields if content is getattr(self, name, None)), None)
        if isinstance(content, str):
            with _told_of(field, content):
                if field in self.template_file_fields and content.endswith(tuple(self.template_ext)):
                    return _as_text(_file(environment, content, f"{field} ends like", self.template_ext), context)
                if field in self.template_text_fields:
                    return _as_text(environment.from_string(content), context)
                return self._render(environment.from_string(content), context)
        if field is not None and isinstance(content, Mapping | list | tuple):
            return self._texts_within(content, context, environment, seen_oids)
        return super().render_template(content, context, environment, seen_oids)

    def _texts_within(
        self, value: Any, context: Context, environment: jinja2.Environment, seen_oids: set[int] | None
    ) -> Any:
        def within(inner: Any) -> Any:
            return self._texts_within(inner, context, environment, seen_oids)

        match value:
            case str():
                if not any(mark in value for mark in _MARKS):
                    return value
                with _told_of(None, value):
                    return _as_text(environment.from_string(value), context)
            case Mapping():
                return {key: within(inner) for key, inner in value.items()}
            case list() | tuple():
                return [within(inner) for inner in value]
            case _:
                return super().render_template(value, context, environment, seen_oids)


def _as_text(template: jinja2.Template, context: Context) -> str:
    # Not by its own method: that of an environment of Python's objects reads the text as Python.
    pieces = template.root_render_func(template.new_context(dict(context)))
    return "".join(map(str, pieces))


def _file(environment: jinja2.Environment, name: str, what: str, endings: Any) -> jinja2.Template:
    import jinja2

    try:
        return environment.get_template(name)
    except jinja2.TemplateNotFound as missing:
        raise AirflowFailException(
            f"{what} the name of a file ({', '.join(endings)}), but there is no {name!r} in the DAG's folder or its "
            "template_searchpath. A text that is no name must not end so."
        ) from missing
    except UnicodeDecodeError as error:
        raise AirflowFailException(f"The file {name!r} is not UTF-8: {error}") from error


@contextmanager
def _told_of(field: str | None, template: str) -> Iterator[None]:
    import jinja2

    try:
        yield
    except jinja2.TemplateSyntaxError as error:
        raise AirflowFailException(
            f"{field or 'A parameter'} is no template of Jinja: {error.message}, in {template[:100]!r}. "
            "Braces that are meant as such stand between {% raw %} and {% endraw %}."
        ) from error
