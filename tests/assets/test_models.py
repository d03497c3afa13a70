from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wriftai._airflow.compat import HAS_WATCHERS
from airflow_provider_wriftai._airflow.parameters import InvalidParameterError
from airflow_provider_wriftai.assets.models import model_asset, watched_model
from airflow_provider_wriftai.client.errors import InvalidReferenceError
from airflow_provider_wriftai.domain.dataset_names import model_of_uri
from airflow_provider_wriftai.domain.patterns import InvalidPatternError
from airflow_provider_wriftai.domain.waiting.errors import InvalidCriteriaError

only_airflow_3 = pytest.mark.skipif(not HAS_WATCHERS, reason="Airflow 2 has no watchers")

EQUAL_ARGUMENTS: list[list[dict[str, Any]]] = [
    [{}, {"poll_interval": 60}, {"poll_interval": timedelta(minutes=1), "seconds_between_events": 5}],
    [{"newer_than": 3}, {"newer_than": "3"}, {"newer_than": "acme/det:3"}],
    [
        {"newer_than": datetime(2026, 1, 1, tzinfo=UTC)},
        {"newer_than": "2026-01-01T00:00:00Z"},
        {"newer_than": datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))},
    ],
    [{"release_notes": "^release"}],
    [{"release_notes": ""}],
    [{"poll_interval": 30.5}],
    [{"seconds_between_events": 7}],
    [{"wriftai_conn_id": "staging"}],
    [{"wriftai_conn_id": "staging", "poll_interval": 30}],
]


def test_the_asset_to_publish_to_has_no_watchers() -> None:
    asset = model_asset("acme/det")
    assert asset.uri == "wriftai://acme/det"
    assert not getattr(asset, "watchers", [])


def test_a_model_of_another_connection_is_another_asset() -> None:
    assert model_asset("acme/det", wriftai_conn_id="team/staging").uri == "wriftai://acme/det?connection=team%2Fstaging"


@only_airflow_3
def test_equal_arguments_make_equal_assets_and_other_arguments_other_assets() -> None:
    uris = []
    for group in EQUAL_ARGUMENTS:
        assets = [watched_model("acme/det", **arguments) for arguments in group]
        first = assets[0]
        for asset in assets:
            assert (asset.name, asset.uri, asset.extra) == (first.name, first.uri, first.extra)
            assert [(each.name, each.trigger.serialize()) for each in asset.watchers] == [
                (each.name, each.trigger.serialize()) for each in first.watchers
            ]
        uris.append(first.uri)
    uris.append(watched_model("acme/other").uri)
    uris.append(model_asset("acme/det").uri)
    assert len(set(uris)) == len(uris)


@only_airflow_3
def test_the_identity_of_an_asset_is_that_of_earlier_releases() -> None:
    # With another identity, a watcher would start over, and miss versions published during the upgrade.
    assert watched_model("acme/detector").uri == "wriftai://acme/detector?watch=927af0f76b0a1501"
    asset = watched_model("acme/detector", release_notes="^release", poll_interval=30, wriftai_conn_id="staging")
    assert asset.uri == "wriftai://acme/detector?connection=staging&watch=1884fdacc721598d"
    assert asset.extra == {
        "model": "acme/detector",
        "release_notes": "^release",
        "poll_interval": 30.0,
        "wriftai_conn_id": "staging",
    }


@only_airflow_3
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"model": "acme"}, InvalidReferenceError),
        ({"model": "acme/det", "release_notes": "("}, InvalidPatternError),
        ({"model": "acme/det", "newer_than": "2026-01-01"}, InvalidCriteriaError),
        ({"model": "acme/det", "poll_interval": "soon"}, InvalidParameterError),
    ],
)
def test_an_invalid_argument_is_an_import_error_of_the_dag_file(
    arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        watched_model(**arguments)


@pytest.mark.parametrize("connection_id", [None, "", 5, "{{ var.value.connection }}"])
def test_the_connection_of_an_asset_is_checked(connection_id: Any) -> None:
    with pytest.raises(InvalidParameterError, match="wriftai_conn_id must"):
        model_asset("acme/det", wriftai_conn_id=connection_id)


@pytest.mark.skipif(HAS_WATCHERS, reason="Airflow 3 has watchers")
def test_the_error_on_airflow_2_names_the_alternative() -> None:
    with pytest.raises(NotImplementedError, match="WriftAIVersionSensor"):
        watched_model("acme/det")


_SEGMENT = st.text(st.characters(exclude_characters="/:?#%\\", exclude_categories=("Z", "C")), min_size=1, max_size=30)


@given(_SEGMENT.filter(lambda text: text not in (".", "..")), _SEGMENT.filter(lambda text: text not in (".", "..")))
def test_the_uri_of_an_asset_contains_its_model(owner: str, name: str) -> None:
    makers: list[Callable[..., Any]] = [model_asset, *([watched_model] if HAS_WATCHERS else [])]
    for make in makers:
        for connection in ("wriftai_default", "staging"):
            asset = make(f"{owner}/{name}", wriftai_conn_id=connection)
            assert asset.uri.isascii()
            assert str(model_of_uri(asset.uri)) == f"{owner}/{name}"


@pytest.mark.skipif(
    not any(each.name == "apache-airflow-providers-openlineage" for each in importlib.metadata.distributions()),
    reason="needs Airflow's provider for OpenLineage",
)
class TestOpenLineage:
    def test_staging_and_production_of_one_model_are_two_datasets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from airflow_provider_wriftai.assets.models import convert_asset_to_openlineage

        monkeypatch.setenv("AIRFLOW_CONN_WRIFTAI_DEFAULT", json.dumps({"conn_type": "wriftai", "password": "t"}))
        staging = {"conn_type": "wriftai", "host": "https://staging.example:8443/wriftai/v1", "password": "t"}
        monkeypatch.setenv("AIRFLOW_CONN_STAGING", json.dumps(staging))
        assets = [model_asset("acme/det"), model_asset("acme/det", wriftai_conn_id="staging")]
        if HAS_WATCHERS:
            assets.append(watched_model("acme/det", wriftai_conn_id="staging"))
        datasets = [convert_asset_to_openlineage(asset, None) for asset in assets]
        names = [(dataset.namespace, dataset.name) for dataset in datasets if dataset is not None]
        assert (
            names
            == [
                ("wriftai://api.wrift.ai", "acme/det"),
                ("wriftai://staging.example:8443/wriftai", "acme/det"),
                ("wriftai://staging.example:8443/wriftai", "acme/det"),
            ][: len(assets)]
        )

    def test_a_connection_that_cannot_be_read_still_names_the_model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from airflow_provider_wriftai.assets.models import convert_asset_to_openlineage

        monkeypatch.setenv("AIRFLOW_CONN_BROKEN", json.dumps({"conn_type": "wriftai", "host": "http://[", "port": 1}))
        dataset = convert_asset_to_openlineage(model_asset("acme/det", wriftai_conn_id="broken"), None)
        assert dataset is not None
        assert (dataset.namespace, dataset.name) == ("wriftai", "acme/det")
