"""The connection hook: from an Airflow connection to the client."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from airflow_provider_wriftai._airflow.compat import AirflowNotFoundException, BaseHook, aget_connection
from airflow_provider_wriftai._airflow.connection import (
    CONNECTION_ID_PARAMETER,
    CONNECTION_NAME,
    CONNECTION_TYPE,
    DEFAULT_CONNECTION_ID,
    EXTRA_FIELDS,
    UI_FIELD_BEHAVIOUR,
    ConnectionFields,
)

if TYPE_CHECKING:
    from airflow_provider_wriftai._airflow.compat import Connection
    from airflow_provider_wriftai.client.api import API
    from airflow_provider_wriftai.client.errors import ConfigurationError, RequestError

__all__ = ["WriftAIHook"]

_TEST_STEP_SECONDS = 10.0
_TEST_BUDGET_SECONDS = 5.0
_TEST_SECONDS = 15.0
_TEST_TIMED_OUT = "The service may be slow or down, or the host of the connection is wrong."


class WriftAIHook(BaseHook):
    """Open the WriftAI API with the settings of an Airflow connection.

    The password of the connection is the access token. The host is a full URL, or a name together with ``port`` and
    ``schema`` (the scheme); without a host, it is the public API.

    Args:
        wriftai_conn_id: The id of the connection. Connections of other types are refused: their passwords belong to
            other services.
    """

    conn_name_attr = CONNECTION_ID_PARAMETER
    default_conn_name = DEFAULT_CONNECTION_ID
    conn_type = CONNECTION_TYPE
    hook_name = CONNECTION_NAME

    def __init__(self, wriftai_conn_id: str = DEFAULT_CONNECTION_ID) -> None:
        super().__init__()
        self.wriftai_conn_id = wriftai_conn_id

    def get_conn(self) -> API:
        """Open the API for synchronous requests. Close it, or use it in a ``with`` statement.

        Returns:
            The API; ``client.Versions`` takes it.

        Raises:
            ConfigurationError: The connection does not exist, has another type, or contains an invalid value.
        """
        return _open(self._look_up())

    async def aget_conn(self) -> API:
        """Open the API for asynchronous requests. Close it, or use it in an ``async with`` statement.

        Safe in the triggerer of every supported Airflow.

        Raises:
            ConfigurationError: The connection does not exist, has another type, or contains an invalid value.
        """
        self._check_id()
        try:
            fields = _fields_of(await aget_connection(type(self), self.wriftai_conn_id))
        except AirflowNotFoundException:
            fields = None
        if fields is None:
            raise self._not_found()
        # Reading certificates takes tens of milliseconds, during which the event loop must not stand still.
        return await asyncio.to_thread(_open, fields)

    async_get_conn = aget_conn
    """An alias of :meth:`aget_conn`."""

    def test_connection(self) -> tuple[bool, str]:
        """Fetch the user that the token belongs to: once, and for at most 15 seconds, because somebody is waiting.

        Returns:
            Whether it succeeded, and a message for the user.
        """
        from airflow_provider_wriftai._airflow.run_async import InterruptibleRun
        from airflow_provider_wriftai.client.endpoints import get_user
        from airflow_provider_wriftai.client.errors import RequestError, WriftAIError
        from airflow_provider_wriftai.client.text import escape

        try:
            fields = self._look_up()
            api = _open(fields, for_a_test=True)
        except WriftAIError as error:
            return False, str(error)

        async def fetch_user() -> str:
            # Only a coroutine can be abandoned whatever the other side does.
            async with api, asyncio.timeout(_TEST_SECONDS):
                return await api.async_request(get_user())

        try:
            return True, f"Signed in to {api.base_url} as {escape(InterruptibleRun(fetch_user).run(), 100)}."
        except TimeoutError:
            return (
                False,
                f"GET {api.base_url}/user had no complete response within {_TEST_SECONDS:g} s. {_TEST_TIMED_OUT}",
            )
        except RequestError as error:
            advice = _advice_after_a_test(error, token_given=bool((fields.password or "").strip()))
            return False, f"{error.request} {error.problem}. {advice}"
        except WriftAIError as error:
            return False, str(error)

    def check_connection(self) -> None:
        """Look up the connection and check its fields, without sending anything.

        Raises:
            ConfigurationError: The connection does not exist, has another type, or contains an invalid value.
        """
        from airflow_provider_wriftai._airflow.connection import parse_connection

        parse_connection(self._look_up())

    def _look_up(self) -> ConnectionFields:
        self._check_id()
        try:
            return _fields_of(self.get_connection(self.wriftai_conn_id))
        except AirflowNotFoundException:
            pass
        raise self._not_found()

    def _check_id(self) -> None:
        from airflow_provider_wriftai.client.errors import ConfigurationError
        from airflow_provider_wriftai.client.text import truncated_repr
        from airflow_provider_wriftai.domain.empty_values import explain_empty, is_empty

        # Whatever its type says, it may be the result of another task.
        connection_id: object = self.wriftai_conn_id
        if is_empty(connection_id):
            raise ConfigurationError(f"wriftai_conn_id is empty.{explain_empty(connection_id)}")
        if not isinstance(connection_id, str):
            raise ConfigurationError(f"wriftai_conn_id must be text; got {truncated_repr(connection_id)}.")

    def _not_found(self) -> ConfigurationError:
        from airflow_provider_wriftai.client.errors import ConfigurationError
        from airflow_provider_wriftai.client.text import truncated_repr

        shown, variable = truncated_repr(self.wriftai_conn_id), f"AIRFLOW_CONN_{self.wriftai_conn_id.upper()}"
        if variable in os.environ:
            return ConfigurationError(
                f"Connection {shown} cannot be read: the environment variable {truncated_repr(variable)} contains "
                "neither a valid connection URI nor valid connection JSON. In a URI, percent-encode the token. In "
                "JSON, use only conn_type, host, login, password, schema, port, and extra, each of the right type."
            )
        return ConfigurationError(
            f"Connection {shown} does not exist, or Airflow cannot read it. Create a connection of the type 'wriftai' "
            "with this id, or set wriftai_conn_id to another one. If it exists, its value or its secrets backend is "
            "broken: Airflow says so in the log, but only at level DEBUG."
        )

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Describe the connection form to Airflow before 3.2; later ones read the provider info."""
        return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Build the form fields of the extra for Airflow before 3.2; later ones read the provider info."""
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
        from wtforms import BooleanField, StringField
        from wtforms.validators import Optional

        widgets = {}
        for name, field in EXTRA_FIELDS.items():
            texts = {"label": field["label"], "description": field["description"]}
            # These Airflows have no field for a number with a fraction; the hook parses the text.
            widgets[name] = (
                BooleanField(**texts)
                if "boolean" in field["schema"]["type"]
                else StringField(**texts, widget=BS3TextFieldWidget(), validators=[Optional()])
            )
        return widgets


def _fields_of(connection: Connection) -> ConnectionFields:
    # Nothing here raises: this frame holds the connection, and tracebacks show local variables.
    return ConnectionFields(
        connection_id=connection.conn_id or "",
        connection_type=connection.conn_type,
        host=connection.host,
        schema=connection.schema,
        port=connection.port,
        login=connection.login,
        password=connection.password,
        extra=connection.extra,
    )


def _open(fields: ConnectionFields, *, for_a_test: bool = False) -> API:
    from airflow_provider_wriftai._airflow.connection import parse_connection
    from airflow_provider_wriftai._airflow.metrics import request_counter
    from airflow_provider_wriftai.client.api import API
    from airflow_provider_wriftai.client.retrying import RetryPolicy

    # Airflow's form tests a connection under an id that it makes up.
    settings = parse_connection(replace(fields, connection_id="") if for_a_test else fields)
    if for_a_test:
        settings["timeout"] = min(settings.get("timeout", _TEST_STEP_SECONDS), _TEST_STEP_SECONDS)
        settings["retry"] = RetryPolicy(attempts=1, seconds=_TEST_BUDGET_SECONDS)
    count = request_counter()

    def observe(method: str, status: int) -> None:
        count(f"requests.{method.lower()}.{status}", 1)

    return API(**settings, observe=observe)


def _advice_after_a_test(error: RequestError, *, token_given: bool) -> str:
    from airflow_provider_wriftai.client.errors import (
        APIError,
        AuthenticationError,
        RateLimitedError,
        RedirectError,
        RequestTimeoutError,
        ServerError,
        UnreadableResponseError,
    )

    match error:
        case RequestTimeoutError():
            # A test waits for less than the connection's timeout, so that one is not the advice.
            return _TEST_TIMED_OUT
        case AuthenticationError() if not token_given:
            return "The connection has no access token. Without one, only public models can be read."
        case AuthenticationError() | RateLimitedError() | ServerError() | RedirectError():
            return error.advice
        case APIError(status=HTTPStatus.PROXY_AUTHENTICATION_REQUIRED):
            return error.advice
        case APIError():
            # Every token belongs to a user, so any other response is not from the API.
            return UnreadableResponseError.advice
        case _:
            return error.advice
