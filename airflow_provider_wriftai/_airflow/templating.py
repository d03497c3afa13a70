"""Render template fields so that text stays text, and only some fields can name a template file.

Airflow reads a template file wherever a text ends in one of the operator's ``template_ext``: for the path of a build's
metadata, too, or for a ``$ref`` deep inside a schema. With ``render_template_as_native_obj``, it evaluates rendered
text that looks like Python: release notes ``12`` become a number, and a pattern in quotes loses them. An operator with
this mixin declares which of its fields are text, which take objects, and which may name a file.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider_wriftai._airflow.compat import AirflowFailException
from airflow_provider_wriftai.client.text import escape, truncated_repr

if TYPE_CHECKING:
    import jinja2

    from airflow_provider_wriftai._airflow.compat import BaseOperator, Context

    _Base = BaseOperator
else:
    _Base = object

_MARKERS = ("{{", "{%")
_RAW_HINT = "Put braces that are meant literally between {% raw %} and {% endraw %}."


class TemplateFieldsMixin(_Base):
    """Render fields by the rules of the class variables. Put it before the operator's base class."""

    template_file_fields: ClassVar[tuple[str, ...]] = ()
    """Fields whose whole value may be the name of a template file, by ``template_ext``. It is read when the task
    runs."""

    template_text_fields: ClassVar[tuple[str, ...]] = ()
    """Fields whose templates always render to text. Values of other types are left alone."""

    template_object_fields: ClassVar[tuple[str, ...]] = ()
    """Fields that take text or objects. Text is never evaluated; mappings and lists are rendered item by item. With
    native rendering, a template that consists of one expression renders to the object that the expression returns."""

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
            AirflowFailException: The template file does not exist, the template is invalid, or a name is undefined.
        """
        if seen_oids is not None and id(content) in seen_oids:
            # What another task returned is a value, not a template.
            return content
        environment = jinja_env or self.get_template_env()
        field = self._field_of(content)
        if isinstance(content, str):
            with _reporting(field, content):
                return self._render_str(content, context, environment, field)
        if field in (*self.template_file_fields, *self.template_object_fields):
            if isinstance(content, set | frozenset):
                # Rendered items may be mappings, which a set cannot hold.
                content = list(content)
            if isinstance(content, Mapping | list | tuple):
                return self._render_texts_in(content, context, environment, seen_oids, field)
        return super().render_template(content, context, environment, seen_oids)

    def _render_str(self, text: str, context: Context, environment: jinja2.Environment, field: str | None) -> Any:
        if field in self.template_file_fields and text.endswith(tuple(self.template_ext)):
            return _render_text(_load_file(environment, text, field, self.template_ext), context)
        template = environment.from_string(text)
        if field in self.template_text_fields:
            return _render_text(template, context)
        return (
            _render_object(template, context)
            if field in self.template_object_fields
            else self._render(template, context)
        )

    def _field_of(self, content: object) -> str | None:
        fields = (*self.template_file_fields, *self.template_text_fields, *self.template_object_fields)
        return next((name for name in fields if content is getattr(self, name, None)), None)

    def _render_texts_in(
        self,
        value: Any,
        context: Context,
        environment: jinja2.Environment,
        seen_oids: set[int] | None,
        field: str | None,
    ) -> Any:
        def render(inner: Any) -> Any:
            return self._render_texts_in(inner, context, environment, seen_oids, field)

        match value:
            case str():
                if not any(marker in value for marker in _MARKERS):
                    return value
                with _reporting(field, value):
                    rendered = _render_object(environment.from_string(value), context)
                if field == "schemas" and rendered != value:
                    # Without the rendered text: a template may contain a secret.
                    self.log.warning("A template in schemas was rendered: %s. %s", truncated_repr(value), _RAW_HINT)
                return rendered
            case Mapping():
                return {key: render(inner) for key, inner in value.items()}
            case list() | tuple():
                return [render(inner) for inner in value]
            case _:
                return super().render_template(value, context, environment, seen_oids)


def _render_text(template: jinja2.Template, context: Context) -> str:
    return "".join(map(str, _render_parts(template, context)))


def _render_object(template: jinja2.Template, context: Context) -> object:
    """Return the object that the only expression of a native template returns; text in all other cases."""
    import jinja2

    parts = _render_parts(template, context)
    is_object = len(parts) == 1 and not isinstance(parts[0], str | int | float | jinja2.Undefined)
    return parts[0] if is_object else "".join(map(str, parts))


def _render_parts(template: jinja2.Template, context: Context) -> list[object]:
    # Not with Template.render: in a native environment, it evaluates the text as Python, and on Airflow 2 it reads each
    # variable. The deprecated ones warn, and some query the database.
    variables = copy.copy(cast("MutableMapping[str, Any]", context))
    variables.update({name: value for name, value in template.globals.items() if name not in variables})
    environment = template.environment
    return list(
        template.root_render_func(
            environment.context_class(environment, variables, template.name, template.blocks)  # type: ignore[arg-type]
        )
    )


def _load_file(
    environment: jinja2.Environment, name: str, field: str | None, endings: Sequence[str]
) -> jinja2.Template:
    import jinja2

    try:
        return environment.get_template(name)
    except jinja2.TemplateNotFound as missing:
        raise AirflowFailException(
            f"{field} ends like the name of a template file ({', '.join(endings)}), but {truncated_repr(name)} does "
            "not exist in the DAG's folder or its template_searchpath. Text that is not a file name must not end like "
            "one."
        ) from missing
    except UnicodeDecodeError as error:
        shown = truncated_repr(name)
        raise AirflowFailException(f"The template file {shown} of {field} is not UTF-8: {error}.") from error


@contextmanager
def _reporting(field: str | None, template: str) -> Iterator[None]:
    import jinja2

    try:
        yield
    except jinja2.TemplateSyntaxError as error:
        raise AirflowFailException(
            f"{field or 'A parameter'} is not a valid Jinja template: {escape(str(error.message))}, in "
            f"{truncated_repr(template, 100)}. {_RAW_HINT}"
        ) from None
    except jinja2.UndefinedError as error:
        raise AirflowFailException(
            f"{field or 'A parameter'} uses an undefined name: {escape(str(error.message))}, in "
            f"{truncated_repr(template, 100)}. {_RAW_HINT}"
        ) from None
