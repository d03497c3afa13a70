"""The keys of Airflow's serialization are all there."""

from __future__ import annotations

import importlib

from airflow_provider_wriftai.domain.reserved_keys import RESERVED_KEYS


def test_airflow_has_no_others_that_change_what_is_read() -> None:
    try:
        serde = importlib.import_module("airflow.sdk.serde")
    except ImportError:
        serde = importlib.import_module("airflow.serialization.serde")
    names = ("CLASSNAME", "VERSION", "DATA", "SCHEMA_ID", "OLD_TYPE", "OLD_DATA")
    assert {getattr(serde, name) for name in names} == RESERVED_KEYS
