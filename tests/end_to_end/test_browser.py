"""The provider in Airflow's UI, in a real browser.

Set ``WRIFTAI_PICTURES=docs/images`` to update the screenshots in the documentation.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import airflow as airflow_itself
import pytest

from airflow_provider_wriftai._airflow.connection import EXTRA_FIELDS, UI_FIELD_BEHAVIOUR
from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.seed import seed
from airflow_provider_wriftai.sandbox.server import running
from airflow_provider_wriftai.sandbox.store import Store
from tests.support.browser import Browser, browser_skip_reason, running_browser
from tests.support.browser_pages import ConnectionForm, open_asset, press_test_button, unfold_extra
from tests.support.real_airflow import RealAirflow, running_airflow
from tests.support.rest_api import RestAPI, until_up

AIRFLOW = tuple(map(int, airflow_itself.__version__.split(".")[:2]))

pytestmark = [
    pytest.mark.skipif(AIRFLOW < (3, 1), reason="before Airflow 3.1, the UI is different or has no Test button"),
    pytest.mark.skipif(browser_skip_reason() is not None, reason=browser_skip_reason() or ""),
]

TOKEN = "token-that-nobody-may-read-5d1c"
DIGEST = "sha256:" + hashlib.sha256(b"the detector's image").hexdigest()
RUN = "nightly-build-13"


@pytest.mark.timeout(600)
def test_the_provider_in_airflows_ui(tmp_path: Path, repository: Path) -> None:
    folder = os.environ.get("WRIFTAI_PICTURES")
    pictures = Path(folder).absolute() if folder else tmp_path / "pictures"
    pictures.mkdir(exist_ok=True)
    store = Store(tmp_path / "sandbox.db")
    store.add_token(TOKEN, "acme")
    seed(store, "acme", "detector", 12)
    environment = {
        "MODEL": "acme/detector",
        "IMAGE": DIGEST,
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(bytes(range(32))).decode(),
    }
    with (
        # The screenshots show the port that the documentation uses.
        running(create_app(store), port=8787 if folder else 0) as sandbox,
        running_airflow(tmp_path, repository / "tests" / "end_to_end" / "browser_dags", environment) as airflow,
        running_browser() as browser,
    ):
        sandbox_url = sandbox.replace("127.0.0.1", "localhost")
        until_up(airflow.url)
        _create_connection(airflow, browser, sandbox_url, pictures)
        with RestAPI(airflow.url) as api:
            api.until_dag_exists("release_detector")
        airflow.command("dags", "trigger", "release_detector", "--run-id", RUN)
        airflow.until("release_detector", "publish", "success", "failed")
        (published,) = airflow.results("release_detector", "publish")
        assert published["reference"] == "acme/detector:13"
        _follow_link(airflow, browser, sandbox_url, pictures)
        _check_asset(airflow, browser, published, pictures)
    store.close()
    logs = [file for file in tmp_path.rglob("*.log") if file.is_file()]
    assert len(logs) >= 5
    assert [str(file) for file in logs if TOKEN in file.read_text(errors="replace")] == []


def _create_connection(airflow: RealAirflow, browser: Browser, sandbox_url: str, pictures: Path) -> None:
    browser.open(airflow.url)
    browser.wait_for_text("Welcome")
    form = ConnectionForm(browser, airflow.url)
    form.choose_type("WriftAI")
    _check_standard_fields(form)
    form.fill("connection_id", "wriftai_default")
    form.fill("password", TOKEN)
    browser.take_picture(pictures / "connection-form.png", form.selector, height=1000)
    # Airflow 3.3.2 does not test a connection that was saved without a port.
    form.fill("host", "http://localhost")
    form.fill("port", str(urlsplit(sandbox_url).port))
    form.open_section("Extra Fields")
    _check_extra_fields(form)
    form.fill("element_timeout", "10")
    browser.take_picture(pictures / "connection-extra.png", form.selector, height=1200)
    form.save()
    _check_saved_connection(airflow)

    notification = press_test_button(browser, airflow.url, "wriftai_default")
    assert notification.split("\n") == ["Test Connection Successful", f"Signed in to {sandbox_url}/v1 as acme."]
    browser.take_picture(pictures / "connection-test.png", height=560)
    assert TOKEN not in browser.source


def _follow_link(airflow: RealAirflow, browser: Browser, sandbox_url: str, pictures: Path) -> None:
    browser.open(f"{airflow.url}/dags/release_detector/runs/{RUN}/tasks/publish")
    browser.click("//a[normalize-space()='Details']")
    button = "//a[normalize-space()='WriftAI']"
    page = f"{sandbox_url}/models/acme/detector/versions/13"
    assert browser.attribute(button, "href") == page
    browser.take_picture(pictures / "task-link.png", height=560)
    assert TOKEN not in browser.source

    browser.click_through(button)
    assert browser.url == page
    browser.wait_for_text("acme/detector:13", "h1")
    for text in (f"Built in {RUN}", DIGEST, '"prediction"'):
        browser.wait_for_text(text)
    browser.take_picture(pictures / "sandbox-version.png", height=620)
    assert TOKEN not in browser.source


def _check_asset(airflow: RealAirflow, browser: Browser, published: dict[str, Any], pictures: Path) -> None:
    open_asset(browser, airflow.url, "wriftai://acme/detector")
    browser.wait_for_text("1 Asset Event")
    browser.wait_for_text("Source:\nrelease_detector")
    # Older versions of Airflow show the extra differently, and cut long texts.
    if AIRFLOW >= (3, 2):
        assert unfold_extra(browser) == {**published, "model": "acme/detector"}
    browser.take_picture(pictures / "asset-events.png", height=720)
    assert TOKEN not in browser.source


def _check_standard_fields(form: ConnectionForm) -> None:
    fields = form.fields()
    assert fields.keys() - {"connection_id", ""} == {"description", "host", "password", "port", "schema"}
    assert UI_FIELD_BEHAVIOUR["hidden-fields"] == ["login"]
    for name, label in UI_FIELD_BEHAVIOUR["relabeling"].items():
        assert fields[name].label == label
    for name, placeholder in UI_FIELD_BEHAVIOUR["placeholders"].items():
        assert fields[name].placeholder == placeholder
    assert fields["password"].type == "password"


def _check_extra_fields(form: ConnectionForm) -> None:
    fields = form.fields()
    for name, field in EXTRA_FIELDS.items():
        shown = fields[f"element_{name}"]
        assert (shown.label, shown.hint) == (field["label"], field["description"])


def _check_saved_connection(airflow: RealAirflow) -> None:
    """Check that Airflow stored the fields, encrypted the token, and does not return it."""
    with RestAPI(airflow.url) as api:
        shown = api.get("/connections/wriftai_default")
    assert TOKEN not in str(shown)
    saved = json.loads(shown["extra"])
    # Airflow before 3.2 saves a number as text. Empty fields are saved as null.
    assert float(saved["timeout"]) == 10
    assert saved == dict.fromkeys(EXTRA_FIELDS) | {"timeout": saved["timeout"]}
    ((password, is_encrypted, extra, is_extra_encrypted),) = airflow.fetch(
        "SELECT password, is_encrypted, extra, is_extra_encrypted FROM connection WHERE conn_id = 'wriftai_default'"
    )
    assert is_encrypted
    assert is_extra_encrypted
    assert TOKEN not in password + extra
