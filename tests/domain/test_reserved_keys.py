"""``RESERVED_KEYS`` contains every key that Airflow's deserialization reacts to."""

from __future__ import annotations

import importlib

from airflow_provider_wriftai.domain.json_problems import RESERVED_KEYS


def test_airflow_has_no_others_that_change_what_is_read() -> None:
    try:
        serde = importlib.import_module("airflow.sdk.serde")
    except ImportError:
        serde = importlib.import_module("airflow.serialization.serde")
    names = ("CLASSNAME", "VERSION", "DATA", "SCHEMA_ID", "OLD_TYPE", "OLD_DATA")
    assert {getattr(serde, name) for name in names} == RESERVED_KEYS
