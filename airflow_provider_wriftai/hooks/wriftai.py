"""The connection hook: from an Airflow connection to the client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_wriftai.connection import (
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

    async def async_get_conn(self) -> API:
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
        """Ask the API who the token belongs to.

        Returns:
            Whether that worked, and a sentence for the user.
        """
        from airflow_provider_wriftai.client.calls import get_user
        from airflow_provider_wriftai.client.errors import WriftAIError

        try:
            with self.get_conn() as api:
                name = api.request(get_user())
                return True, f"Signed in to {api.base_url} as {name}."
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


def _open(connection: Connection) -> API:
    from airflow_provider_wriftai.client.api import API
    from airflow_provider_wriftai.hooks.settings import ConnectionFields, client_settings
    from airflow_provider_wriftai.metrics import request_counter

    fields = ConnectionFields(
        host=connection.host,
        schema=connection.schema,
        port=connection.port,
        login=connection.login,
        password=connection.password,
        extra=connection.extra,
    )
    count_up = request_counter()

    def observe(method: str, status: int) -> None:
        count_up(f"requests.{method.lower()}.{status}", 1)

    return API(**client_settings(fields), observe=observe)
