"""Prune models of a sandbox: what is deleted, kept, reported, and logged."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import re
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.references import ModelReference, VersionReference
from airflow_provider_wriftai.domain.retention.errors import TooManyDeletionsError, UnmatchedProtectionError
from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy
from airflow_provider_wriftai.domain.retention.prune import prune
from airflow_provider_wriftai.domain.retention.record import Outcome, PruneRecord
from airflow_provider_wriftai.domain.retention.report import PruneReport
from airflow_provider_wriftai.domain.retention.selectors import parse_version_selectors
from airflow_provider_wriftai.sandbox.app import create_app
from airflow_provider_wriftai.sandbox.faults import Fault, Faults
from airflow_provider_wriftai.sandbox.rate_limit import Limit, RateLimit
from airflow_provider_wriftai.sandbox.server import running
from tests.support.pruning import KEEP_ONE, Network, Prune, policy_protecting
from tests.support.sandbox import Sandbox, find_requests


def test_all_but_the_newest_versions_are_deleted(sandbox: Sandbox, prune_it: Prune) -> None:
    model = sandbox.new_model(versions=120)
    report = prune_it(model, RetentionPolicy(keep_last=5))
    assert sandbox.numbers(model) == [120, 119, 118, 117, 116]
    assert (len(report["deleted"]), len(report["kept"]), report["failed"], report["already_gone"]) == (115, 5, [], [])
    assert report["deleted"] == [entry["reference"] for entry in report["planned"]]
    assert json.loads(json.dumps(report)) == report
    assert prune_it(model, RetentionPolicy(keep_last=5))["planned"] == []


def test_old_versions_are_deleted(sandbox: Sandbox, prune_it: Prune) -> None:
    model = sandbox.new_model(versions=12)
    prune_it(model, RetentionPolicy(older_than=timedelta(days=4, hours=12)))
    assert sandbox.numbers(model) == [12, 11, 10, 9]


def test_a_dry_run_plans_the_same_and_deletes_nothing(sandbox: Sandbox, prune_it: Prune, network: Network) -> None:
    model = sandbox.new_model(versions=12)
    policy = RetentionPolicy(keep_last=5, max_deletions=20)
    rehearsed = prune_it(model, policy, dry_run=True)
    assert (network.deleted, len(sandbox.numbers(model))) == ([], 12)
    assert (rehearsed["dry_run"], rehearsed["deleted"]) == (True, [])
    report = prune_it(model, policy)
    assert [rehearsed[key] for key in ("planned", "kept", "protected")] == [
        report[key] for key in ("planned", "kept", "protected")
    ]


def test_versions_are_protected_by_name_image_and_release_notes(
    sandbox: Sandbox, prune_it: Prune, generation: int
) -> None:
    model = sandbox.new_model(versions=10)
    stored = {version.number: version for version in sandbox.store.versions(*model.split("/"))}
    named = f"{model}:2" if generation == 2 else stored[2].id
    policy = policy_protecting(model, named, stored[4].container_image_digest, notes="build 6$", keep_last=2)
    report = prune_it(model, policy)
    assert sandbox.numbers(model) == [10, 9, 6, 4, 2]
    assert [entry["reason"].partition(" ")[0] for entry in report["protected"]] == ["protected:"] * 2 + ["protected"]
    assert len(report["kept"]) == 2


def test_a_protected_version_that_does_not_exist_is_logged(
    sandbox: Sandbox, prune_it: Prune, generation: int, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=3)
    prune_it(model, policy_protecting(model, 99 if generation == 2 else "id-99", keep_last=2))
    assert "1 protection matched no version" in caplog.text


def test_more_deletions_than_allowed_delete_nothing(sandbox: Sandbox, prune_it: Prune, network: Network) -> None:
    model = sandbox.new_model(versions=30)
    with pytest.raises(TooManyDeletionsError, match=r"would delete 25 versions, and max_deletions is 24") as caught:
        prune_it(model, RetentionPolicy(keep_last=5, max_deletions=24))
    assert "… and 5 more" in str(caught.value)
    assert network.deleted == []
    assert len(caught.value.report["planned"]) == 25
    rehearsed = prune_it(model, RetentionPolicy(keep_last=5, max_deletions=24), dry_run=True)
    assert len(rehearsed["planned"]) == 25
    assert len(prune_it(model, RetentionPolicy(keep_last=5, max_deletions=25))["deleted"]) == 25


def test_the_log_has_a_table(sandbox: Sandbox, prune_it: Prune, caplog: pytest.LogCaptureFixture) -> None:
    model = sandbox.new_model(versions=3)
    with caplog.at_level(logging.INFO, "airflow_provider_wriftai.domain.retention"):
        prune_it(model, RetentionPolicy(keep_last=2))
    lines = caplog.messages
    assert lines[0] == f"{model} has 3 versions: 1 to delete, 2 to keep (0 protected)."
    assert lines[1].split() == ["version", "created", "(UTC)", "reason"]
    assert [line.split()[0] for line in lines[2:5]] == ["keep", "keep", "delete"]
    assert lines[4].endswith("number 3 from the newest, 2 kept")
    assert lines[5].startswith("Deleted ")
    assert re.fullmatch(rf"Deleted 1 version of {model} in \d+\.\d s \(0 already gone\)\.", lines[6])


def test_the_table_of_many_leaves_out_the_middle(
    sandbox: Sandbox, prune_it: Prune, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=250)
    with caplog.at_level(logging.INFO, "airflow_provider_wriftai.domain.retention"):
        prune_it(model, RetentionPolicy(keep_last=125), dry_run=True)
    rows = [message for message in caplog.messages if message.startswith(("delete ", "keep "))]
    assert len(rows) == 200
    assert "… 50 more …" in caplog.text


def test_only_approved_versions_are_deleted(sandbox: Sandbox, prune_it: Prune, schemas: Any, digest: str) -> None:
    model = sandbox.new_model(versions=6)
    rehearsed = prune_it(model, KEEP_ONE, dry_run=True)
    sandbox.store.create_version(*model.split("/"), release_notes="x", schemas=schemas, container_image_digest=digest)
    only = parse_version_selectors("only", ModelReference.parse(model), rehearsed["planned"][:3])
    report = prune_it(model, RetentionPolicy(keep_last=1, only=only))
    assert sandbox.numbers(model) == [7, 6, 5, 4]
    assert report["deleted"] == [entry["reference"] for entry in rehearsed["planned"][:3]]


def test_a_version_that_is_published_meanwhile_is_never_touched(
    sandbox: Sandbox, prune_it: Prune, network: Network, schemas: Any, digest: str
) -> None:
    model = sandbox.new_model(versions=60)
    owner, name = model.split("/")

    def publish(method: str, _: str) -> None:
        if len(network.requests) in (2, 3, 20):
            sandbox.store.create_version(owner, name, release_notes="x", schemas=schemas, container_image_digest=digest)

    network.before = publish
    report = prune_it(model, KEEP_ONE)
    assert sandbox.numbers(model) == [63, 62, 61, 60]
    assert len(report["deleted"]) == 59


def test_a_long_prune_logs_its_progress(sandbox: Sandbox, prune_it: Prune, caplog: pytest.LogCaptureFixture) -> None:
    model = sandbox.new_model(versions=41)
    ticks = itertools.count(step=2.0)
    with caplog.at_level(logging.INFO):
        prune_it(model, KEEP_ONE, clock=lambda: next(ticks))
    progress = [message for message in caplog.messages if "remaining" in message]
    assert progress[0] == "Deleted versions: 5 of 40 (0.5 per second, about 70 s remaining)."
    assert len(progress) == 8


def test_many_deletes_respect_the_rate_limit(sandbox: Sandbox) -> None:
    model = sandbox.new_model(versions=40)
    with running(create_app(sandbox.store, RateLimit(Limit(per_second=100, burst=5), None))) as url:

        async def prune_model() -> PruneReport:
            async with API(f"{url}/v1", sandbox.token) as api:
                return await prune(api, ModelReference.parse(model), KEEP_ONE)

        assert len(asyncio.run(prune_model())["deleted"]) == 39
    statuses = [entry["status"] for entry in find_requests(sandbox.store, model)]
    assert statuses.count(429) <= 1
    assert statuses.count(204) == 39


@pytest.mark.parametrize("fail", [True, False])
def test_a_protection_that_matches_nothing_is_reported(
    sandbox: Sandbox, prune_it: Prune, network: Network, generation: int, fail: bool, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=5)
    named, digest = (99 if generation == 2 else "id-99"), "sha256:" + "ab" * 32
    policy = policy_protecting(model, named, digest, notes="relaese", keep_last=3, fail_on_unmatched_protection=fail)
    unmatched = [f"version {named}", f"image {digest}", "protect_release_notes 'relaese'"]
    if fail:
        with pytest.raises(
            UnmatchedProtectionError, match=r"3 protections of .* matched no version, so nothing"
        ) as caught:
            prune_it(model, policy)
        assert (network.deleted, caught.value.retryable) == ([], False)
        report = caught.value.report
    else:
        report = prune_it(model, policy)
        assert len(report["deleted"]) == 2
    assert report["unmatched_protections"] == unmatched
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert all(each in warnings[0] for each in unmatched)


def test_deleted_versions_are_logged_in_batches(
    sandbox: Sandbox, prune_it: Prune, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=121)
    with caplog.at_level(logging.INFO):
        report = prune_it(model, KEEP_ONE)
    lines = [message for message in caplog.messages if re.match("Deleted (?![0-9]+ versions)", message)]
    assert len(lines) == 3
    if ":" in report["deleted"][0]:
        assert set().union(*(_parse_numbers(line, model) for line in lines)) == set(range(1, 121))
    else:
        assert all(reference in "".join(lines) for reference in report["deleted"])


def test_a_prune_that_is_stopped_leaves_a_complete_record(
    sandbox: Sandbox, faulty: tuple[str, Faults], faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    model = sandbox.new_model(versions=100)
    hanging = Fault(method="DELETE", execute="never", delay=3600, times=90)
    faults.add([*[Fault(method="DELETE", status=204)] * 10, hanging])
    record = _SignalingRecord(26)

    async def prune_model() -> None:
        async with API(f"{faulty[0]}/generation-2/v1", sandbox.token) as api:
            task = asyncio.ensure_future(prune(api, ModelReference.parse(model), KEEP_ONE, record=record))
            await record.reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with caplog.at_level(logging.INFO):
        asyncio.run(prune_model())
    report = record.report()
    assert report is not None
    assert (report["planned_count"], report["deleted_count"], report["interrupted_count"]) == (99, 10, 16)
    (line,) = [message for message in caplog.messages if message.startswith("Deleted ")]
    assert _parse_numbers(line, model) == {int(each.rpartition(":")[2]) for each in report["deleted"]}
    assert "The task was stopped: 10 of 99 versions deleted, 16 without a response yet." in caplog.messages


class _SignalingRecord(PruneRecord):
    """A record that signals when a number of deletes have been sent."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        self.reached = asyncio.Event()

    def add(self, reference: VersionReference, outcome: Outcome) -> None:
        super().add(reference, outcome)
        if len(self.outcomes) >= self._count:
            self.reached.set()


def _parse_numbers(line: str, model: str) -> set[int]:
    numbers: set[int] = set()
    for part in line.removeprefix(f"Deleted {model}:").removesuffix(".").split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers
