"""Publishing where nothing goes wrong."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import NotFoundError
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.versions import CreateVersionParams
from airflow_provider_wriftai.domain.publishing.errors import VersionExistsError
from tests.support.publishing import Publish, publish_with
from tests.support.sandbox import Sandbox


def test_an_image_that_has_a_version_gets_no_second_one(
    sandbox: Sandbox, publish_it: Publish, model: ModelReference, caplog: pytest.LogCaptureFixture
) -> None:
    first = publish_it()
    # Release notes with a date differ at every reuse, which is no reason to warn.
    with caplog.at_level(logging.INFO):
        again = publish_it(params={"release_notes": "other"})
    assert again.outcome == "reused"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert str(again.version.reference) == str(first.version.reference)
    assert "differ from those of this task" in caplog.text
    assert sandbox.numbers(str(model)) == [3, 2, 1]


def test_fail_names_the_version_that_exists(sandbox: Sandbox, publish_it: Publish, model: ModelReference) -> None:
    first = publish_it()
    with pytest.raises(VersionExistsError) as caught:
        publish_it(if_exists="fail")
    assert caught.value.reference == str(first.version.reference)
    assert "earlier try" not in str(caught.value)
    assert sandbox.numbers(str(model)) == [3, 2, 1]


def test_create_makes_another_version(sandbox: Sandbox, publish_it: Publish, model: ModelReference) -> None:
    publish_it()
    assert publish_it(if_exists="create").outcome == "created"
    assert sandbox.numbers(str(model)) == [4, 3, 2, 1]


def test_a_clear_refusal_is_raised_unchanged(api: API, params: CreateVersionParams) -> None:
    with pytest.raises(NotFoundError):
        publish_with(api, ModelReference.parse("acme/no-such-model"), params)


def test_the_log_describes_every_step(publish_it: Publish, caplog: pytest.LogCaptureFixture, digest: str) -> None:
    with caplog.at_level(logging.INFO, "airflow_provider_wriftai.domain.publishing"):
        reference = str(publish_it().version.reference)
        publish_it()
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].startswith("Searched the newest 2 versions of acme/model-")
    assert messages[0].endswith(f": no version of {digest} exists.")
    assert messages[1:] == [
        f"Created {reference}.",
        f"{reference} is already a version of image {digest}. Creating no other version.",
    ]
