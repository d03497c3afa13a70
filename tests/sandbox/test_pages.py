from __future__ import annotations

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


def test_what_was_sent_is_shown_as_text(sandbox: Sandbox, digest: str, schemas: Any) -> None:
    model = sandbox.new_model()
    evil = "<script>alert(1)</script>"
    sandbox.store.create_version(*model.split("/"), release_notes=evil, schemas=schemas, container_image_digest=digest)
    with httpx.Client(base_url=sandbox.url) as http:
        for path in (f"/models/{model}", f"/models/{model}/versions/1"):
            page = http.get(path).text
            assert evil not in page
            assert "&lt;script&gt;" in page


def test_what_is_not_there(sandbox: Sandbox) -> None:
    with httpx.Client(base_url=sandbox.url) as http:
        for path in ("/models/acme/none", "/models/acme/none/versions/1", f"/models/acme/none/versions/{10**30}"):
            answer = http.get(path)
            assert answer.status_code == 404
            assert "There is no" in answer.text
