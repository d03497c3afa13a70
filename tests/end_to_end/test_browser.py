"""What users see of the provider in Airflow's UI, in a real browser.

``WRIFTAI_PICTURES=docs/images`` has the pictures of the docs taken again.
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
from tests.support.browser import Browser, running_browser, why_not
from tests.support.browser_pages import ConnectionForm, open_asset, press_test_button, unfold_extra
from tests.support.real_airflow import RealAirflow, running_airflow
from tests.support.rest_api import RestAPI, until_up

AIRFLOW = tuple(map(int, airflow_itself.__version__.split(".")[:2]))

pytestmark = [
    pytest.mark.skipif(AIRFLOW < (3, 1), reason="before Airflow 3.1 its UI is another one, or has no Test button"),
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
]

TOKEN = "token-that-nobody-may-read-5d1c"
DIGEST = "sha256:" + hashlib.sha256(b"the detector's image").hexdigest()
RUN = "nightly-build-13"


@pytest.mark.timeout(600)
def test_the_provider_in_airflows_ui(tmp_path: Path, repository: Path) -> None:
    asked_for = os.environ.get("WRIFTAI_PICTURES")
    pictures = Path(asked_for).absolute() if asked_for else tmp_path / "pictures"
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
        # The pictures show the port that the docs speak of.
        running(create_app(store), port=8787 if asked_for else 0) as sandbox,
        running_airflow(tmp_path, repository / "tests" / "end_to_end" / "browser_dags", environment) as airflow,
        running_browser() as browser,
    ):
        sandbox_url = sandbox.replace("127.0.0.1", "localhost")
        until_up(airflow.url)
        _make_the_connection(airflow, browser, sandbox_url, pictures)
        with RestAPI(airflow.url) as api:
            api.until_there("release_detector")
        airflow.command("dags", "trigger", "release_detector", "--run-id", RUN)
        airflow.until("release_detector", "publish", "success", "failed")
        (published,) = airflow.results("release_detector", "publish")
        assert published["reference"] == "acme/detector:13"
        _follow_the_link(airflow, browser, sandbox_url, pictures)
        _look_at_the_asset(airflow, browser, published, pictures)
    store.close()
    logs = [file for file in tmp_path.rglob("*.log") if file.is_file()]
    assert len(logs) >= 5
    assert [str(file) for file in logs if TOKEN in file.read_text(errors="replace")] == []


def _make_the_connection(airflow: RealAirflow, browser: Browser, sandbox_url: str, pictures: Path) -> None:
    browser.open(airflow.url)
    browser.wait_for_text("Welcome")
    form = ConnectionForm(browser, airflow.url)
    form.choose_type("WriftAI")
    _standard_fields_are_ours(form)
    form.fill("connection_id", "wriftai_default")
    form.fill("password", TOKEN)
    browser.take_picture(pictures / "connection-form.png", form.place, height=1000)
    # Airflow 3.3.2 tests no connection that was saved without a port.
    form.fill("host", "http://localhost")
    form.fill("port", str(urlsplit(sandbox_url).port))
    form.open_section("Extra Fields")
    _extra_fields_are_ours(form)
    form.fill("element_timeout", "10")
    browser.take_picture(pictures / "connection-extra.png", form.place, height=1200)
    form.save()
    _is_saved_without_showing_the_token(airflow)

    said = press_test_button(browser, airflow.url, "wriftai_default")
    assert said.split("\n") == ["Test Connection Successful", f"Signed in to {sandbox_url}/v1 as acme."]
    browser.take_picture(pictures / "connection-test.png", height=560)
    assert TOKEN not in browser.source


def _follow_the_link(airflow: RealAirflow, browser: Browser, sandbox_url: str, pictures: Path) -> None:
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
    for shown in (f"Built in {RUN}", DIGEST, '"prediction"'):
        browser.wait_for_text(shown)
    browser.take_picture(pictures / "sandbox-version.png", height=620)
    assert TOKEN not in browser.source


def _look_at_the_asset(airflow: RealAirflow, browser: Browser, published: dict[str, Any], pictures: Path) -> None:
    open_asset(browser, airflow.url, "wriftai://acme/detector")
    browser.wait_for_text("1 Asset Event")
    browser.wait_for_text("Source:\nrelease_detector")
    # Before, it is shown in another way, with long texts cut.
    if AIRFLOW >= (3, 2):
        assert unfold_extra(browser) == {**published, "model": "acme/detector"}
    browser.take_picture(pictures / "asset-events.png", height=720)
    assert TOKEN not in browser.source


def _standard_fields_are_ours(form: ConnectionForm) -> None:
    fields = form.fields()
    assert fields.keys() - {"connection_id", ""} == {"description", "host", "password", "port", "schema"}
    assert UI_FIELD_BEHAVIOUR["hidden-fields"] == ["login"]
    for name, label in UI_FIELD_BEHAVIOUR["relabeling"].items():
        assert fields[name].label == label
    for name, placeholder in UI_FIELD_BEHAVIOUR["placeholders"].items():
        assert fields[name].placeholder == placeholder
    assert fields["password"].type == "password"


def _extra_fields_are_ours(form: ConnectionForm) -> None:
    fields = form.fields()
    for name, field in EXTRA_FIELDS.items():
        shown = fields[f"element_{name}"]
        assert (shown.label, shown.hint) == (field["label"], field["description"])


def _is_saved_without_showing_the_token(airflow: RealAirflow) -> None:
    with RestAPI(airflow.url) as api:
        shown = api.get("/connections/wriftai_default")
    assert TOKEN not in str(shown)
    saved = json.loads(shown["extra"])
    # A number is saved as text before Airflow 3.2, and what was left empty as null.
    assert float(saved["timeout"]) == 10
    assert saved == dict.fromkeys(EXTRA_FIELDS) | {"timeout": saved["timeout"]}
    ((password, is_encrypted, extra, is_extra_encrypted),) = airflow.ask(
        "SELECT password, is_encrypted, extra, is_extra_encrypted FROM connection WHERE conn_id = 'wriftai_default'"
    )
    assert is_encrypted
    assert is_extra_encrypted
    assert TOKEN not in password + extra
