from __future__ import annotations

import re
from typing import Any

import httpx

from tests.support.sandbox import Sandbox


def test_models_versions_and_requests_have_a_page(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=2)
    with httpx.Client(base_url=sandbox.url) as http:
        http.get(f"/v1/models/{model}/versions/1")
        assert f'<a href="/models/{model}">{model}</a>' in http.get("/").text
        page = http.get(f"/models/{model}").text
        assert "Nightly build 2" in page
        assert page.count("sha256:") == 2
        assert "&#34;prediction&#34;" in http.get(f"/models/{model}/versions/1").text
        assert f"/v1/models/{model}/versions/1" in http.get("/requests").text


def test_user_text_is_escaped(sandbox: Sandbox, digest: str, schemas: Any) -> None:
    model = sandbox.new_model()
    evil = "<script>alert(1)</script>"
    sandbox.store.create_version(*model.split("/"), release_notes=evil, schemas=schemas, container_image_digest=digest)
    with httpx.Client(base_url=sandbox.url) as http:
        for path in (f"/models/{model}", f"/models/{model}/versions/1"):
            page = http.get(path).text
            assert evil not in page
            assert "&lt;script&gt;" in page


def test_missing_models_and_versions(sandbox: Sandbox) -> None:
    with httpx.Client(base_url=sandbox.url) as http:
        missing = ("1", "0", "-1", "x", "\u0663", "9" * 30, "9" * 5000)
        for path in ("/models/acme/none", *(f"/models/acme/none/versions/{number}" for number in missing)):
            response = http.get(path)
            assert response.status_code == 404
            assert "There is no" in response.text


def test_a_page_can_run_no_script_and_be_framed_by_nobody(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=1)
    with httpx.Client(base_url=sandbox.url) as http:
        for path in ("/", "/requests", f"/models/{model}", f"/models/{model}/versions/1", "/models/acme/none"):
            response = http.get(path)
            policy = response.headers["content-security-policy"]
            (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
            assert f'<style nonce="{nonce}">' in response.text
            assert policy.startswith("default-src 'none'; ")
            assert "frame-ancestors 'none'" in policy
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["x-frame-options"] == "DENY"
        nonces = {http.get("/").headers["content-security-policy"] for _ in range(3)}
    assert len(nonces) == 3
