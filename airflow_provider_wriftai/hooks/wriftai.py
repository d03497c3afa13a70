"""The connection hook: from an Airflow connection to the client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_wriftai._airflow.connection import (
    CONNECTION_ID_PARAMETER,
    CONNECTION_NAME,
    CONNECTION_TYPE,
    DEFAULT_CONNECTION_ID,
    EXTRA_FIELDS,
    UI_FIELD_BEHAVIOUR,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_wriftai.client.api import API
    from airflow_provider_wriftai.client.errors import RequestError

_TEST_STEP_SECONDS = 10.0
_TEST_BUDGET_SECONDS = 5.0
_TEST_SECONDS = 15.0
_TEST_TIMED_OUT = "The service may be slow or down, or the connection's host wrong."


class WriftAIHook(BaseHook):
    """Opens the WriftAI API with what an Airflow connection says.

    The token is the connection's password. The host is a full URL, or a name with ``port`` and ``schema``
    (the protocol); left out, it is the public API.

    Args:
        wriftai_conn_id: The connection's id.
    """

    conn_name_attr = CONNECTION_ID_PARAMETER
    default_conn_name = DEFAULT_CONNECTION_ID
    conn_type = CONNECTION_TYPE
    hook_name = CONNECTION_NAME

    def __init__(self, wriftai_conn_id: str = DEFAULT_CONNECTION_ID) -> None:
        super().__init__()
        self.wriftai_conn_id = wriftai_conn_id

    def get_conn(self) -> API:
        """Open the API for sync requests; close it, or use it in a ``with`` statement.

        Returns:
            The API; ``client.versions.Versions`` takes it.

        Raises:
            ConfigurationError: The connection says something that cannot be meant.
        """
        return _open(self.get_connection(self.wriftai_conn_id))

    async def aget_conn(self) -> API:
        """Open the API for async requests; close it, or use it in an ``async with`` statement.

        Safe in the triggerer of every supported Airflow.

        Raises:
            ConfigurationError: The connection says something that cannot be meant.
        """
        from airflow.providers.common.compat.connection import get_async_connection

        connection = await get_async_connection(self.wriftai_conn_id, hook=type(self))
        # Reading certificates takes tens of milliseconds, for which the event loop is not to stand still.
        return await asyncio.to_thread(_open, connection)

    def test_connection(self) -> tuple[bool, str]:
        """Ask the API who the token belongs to: once, and not for long, because somebody waits for it.

        Returns:
            Whether that worked, and a sentence for the user.
        """
        from airflow_provider_wriftai._airflow.run_async import InterruptibleRun
        from airflow_provider_wriftai.client.endpoints import get_user
        from airflow_provider_wriftai.client.errors import RequestError, WriftAIError

        connection = self.get_connection(self.wriftai_conn_id)
        try:
            api = _open(connection, for_a_test=True)
        except WriftAIError as error:
            return False, str(error)

        async def ask() -> str:
            # Only a coroutine can be given up whatever the other side does.
            async with api, asyncio.timeout(_TEST_SECONDS):
                return await api.async_request(get_user())

        try:
            return True, f"Signed in to {api.base_url} as {InterruptibleRun(ask).run()}."
        except TimeoutError:
            return (
                False,
                f"GET {api.base_url}/user had no whole response within {_TEST_SECONDS:g} s. {_TEST_TIMED_OUT}",
            )
        except RequestError as error:
            advice = _advice_after_a_test(error, token_given=bool(connection.password))
            return False, f"{error.request} {error.problem}. {advice}"
        except WriftAIError as error:
            return False, str(error)

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Describe the connection form to Airflow before 3.2; newer ones read the provider info."""
        return {key.replace("-", "_"): value for key, value in UI_FIELD_BEHAVIOUR.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Make the form fields of the extra for Airflow before 3.2; newer ones read the provider info."""
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
        from wtforms import BooleanField, StringField
        from wtforms.validators import Optional

        widgets = {}
        for name, field in EXTRA_FIELDS.items():
            told = {"label": field["label"], "description": field["description"]}
            # These Airflows know no field for a number with a fraction; the hook reads the text.
            widgets[name] = (
                BooleanField(**told)
                if "boolean" in field["schema"]["type"]
                else StringField(**told, widget=BS3TextFieldWidget(), validators=[Optional()])
            )
        return widgets


def _open(connection: Connection, *, for_a_test: bool = False) -> API:
    from airflow_provider_wriftai._airflow.connection_settings import ConnectionFields, client_settings
    from airflow_provider_wriftai._airflow.metrics import request_counter
    from airflow_provider_wriftai.client.api import API
    from airflow_provider_wriftai.client.retrying import RetryPolicy

    fields = ConnectionFields(
        host=connection.host,
        schema=connection.schema,
        port=connection.port,
        login=connection.login,
        password=connection.password,
        extra=connection.extra,
    )
    settings = client_settings(fields)
    if for_a_test:
        settings["timeout"] = min(settings.get("timeout", _TEST_STEP_SECONDS), _TEST_STEP_SECONDS)
        settings["retry"] = RetryPolicy(attempts=1, seconds=_TEST_BUDGET_SECONDS)
    count_up = request_counter()

    def observe(method: str, status: int) -> None:
        count_up(f"requests.{method.lower()}.{status}", 1)

    return API(**settings, observe=observe)


def _advice_after_a_test(error: RequestError, *, token_given: bool) -> str:
    from airflow_provider_wriftai.client.errors import (
        APIError,
        AuthenticationError,
        RateLimitedError,
        RequestTimeoutError,
        ServerError,
        UnreadableResponseError,
    )

    match error:
        case RequestTimeoutError():
            # Not the connection's timeout: a test may wait less than that.
            return _TEST_TIMED_OUT
        case AuthenticationError() if not token_given:
            return "The connection has no access token; without one, only public models can be read."
        case AuthenticationError() | RateLimitedError() | ServerError():
            return error.advice
        case APIError():
            # Every token belongs to somebody, so the API itself says nothing else.
            return UnreadableResponseError.advice
        case _:
            return error.advice
