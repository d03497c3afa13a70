"""Watched models on real processes: no other DAG file removes a watcher, and every version makes one event."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_provider_wriftai.assets.models import watched_model
from tests.support.polling import until
from tests.support.real_airflow import AIRFLOW_2, HAS_STORES, RealAirflow, running_airflow
from tests.support.sandbox import Sandbox, find_requests
from tests.support.watchers import WatcherSamples, delivered_versions, find_duplicates, watcher_triggers

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(AIRFLOW_2, reason="Airflow 2 has no watchers"),
    pytest.mark.timeout(1200),
]

_TIMEOUT = 300.0
_ROUNDS = 4
"""How many versions of each model are published. Airflow parses all DAG files between two of them."""

_SETTINGS = {
    "AIRFLOW__DAG_PROCESSOR__FILE_PARSING_SORT_MODE": "alphabetical",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
}


def _until(done: Callable[[], object], status: Callable[[], object] = lambda: "", *, every: float = 0.3) -> None:
    until(done, status, patience=_TIMEOUT, every=every)


@dataclass
class Publisher:
    """Publishes to a model from outside Airflow.

    Attributes:
        published: The references of the published versions, the oldest first.
    """

    sandbox: Sandbox
    model: str
    published: list[str] = field(default_factory=list)

    def publish(self, count: int = 1, notes: str = "x") -> None:
        for _ in range(count):
            version = self.sandbox.store.create_version(
                *self.model.split("/"), release_notes=notes, schemas={}, container_image_digest="sha256:" + "ab" * 32
            )
            self.published.append(f"{self.model}:{version.number}")

    @property
    def requests(self) -> int:
        """The number of requests for the model that the service has received."""
        return len(find_requests(self.sandbox.store, f"{self.model}/versions"))

    @property
    def is_polled(self) -> bool:
        return self.requests > 0


def _copy_dags(repository: Path, folder: Path, sources: dict[str, str]) -> Path:
    folder.mkdir()
    for name, source in sources.items():
        shutil.copy(repository / "tests" / "end_to_end" / "watched_dags" / f"{source}.py", folder / f"{name}.py")
    return folder


def _environment(sandbox: Sandbox, arguments: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {
        "AIRFLOW_CONN_WRIFTAI_DEFAULT": json.dumps(sandbox.connection()),
        "WATCHED": json.dumps(arguments),
        **_SETTINGS,
    }


def _parsed_at(airflow: RealAirflow) -> dict[str, Any]:
    return {row[0]: row[1] for row in airflow.fetch("SELECT dag_id, last_parsed_time FROM dag")}


def test_no_other_dag_file_removes_a_watcher(
    sandbox: Sandbox,
    tmp_path: Path,
    repository: Path,
    shows: Callable[[str], None],
    record_property: Callable[[str, object], None],
) -> None:
    publishers = [Publisher(sandbox, sandbox.new_model(versions=1)) for _ in range(5)]
    first, second, third, fourth, fifth = ({"model": publisher.model} for publisher in publishers)
    intervals = {"poll_interval": 1, "seconds_between_events": 2}
    cases: dict[str, tuple[str, dict[str, Any]]] = {
        # One file that publishes is parsed after the file that watches, the other one before it.
        "a_watches": ("watches", first | intervals),
        "b_publishes": ("publishes", first),
        "c_publishes": ("publishes", second),
        "d_watches": ("watches", second | intervals),
        # One DAG does both.
        "e_both": ("watches_and_publishes", third | intervals),
        # Two files differ in one argument, and a third one equals the first.
        "f_every": ("watches", fourth | intervals),
        "g_releases": ("watches", fourth | intervals | {"release_notes": "^release"}),
        "h_every_again": ("watches", fourth | intervals),
        # The guide's example.
        "i_on_event": ("on_event", fifth | intervals),
    }
    arguments = {name: each for name, (_, each) in cases.items()}
    watching = {name: watched_model(**arguments[name]).uri for name in cases if "publishes" not in name}
    expected = len(set(watching.values()))
    dags = _copy_dags(repository, tmp_path / "dags", {name: source for name, (source, _) in cases.items()})
    with running_airflow(tmp_path, dags, _environment(sandbox, arguments)) as airflow:
        _until(lambda: set(_parsed_at(airflow)) == set(cases), lambda: _parsed_at(airflow))
        _until(lambda: len(watcher_triggers(airflow)) == expected, lambda: watcher_triggers(airflow))
        _until(lambda: all(publisher.is_polled for publisher in publishers))
        if HAS_STORES:
            _until(lambda: len(airflow.checkpoints()) == expected, airflow.checkpoints)
        with WatcherSamples(airflow, expected) as samples:
            for number in range(_ROUNDS):
                before = _parsed_at(airflow)
                for publisher in publishers:
                    publisher.publish(notes="release" if number % 2 else "x")
                _until(lambda: all(_parsed_at(airflow)[name] != before[name] for name in cases))  # noqa: B023 - used at once
            versions = {publisher.model: publisher.published for publisher in publishers}
            to_deliver = {name: versions[arguments[name]["model"]] for name in watching}
            to_deliver["g_releases"] = to_deliver["g_releases"][1::2]

            def delivered() -> dict[str, list[str]]:
                return {name: delivered_versions(airflow, uri) for name, uri in watching.items()}

            _until(lambda: all(len(each) >= len(to_deliver[name]) for name, each in delivered().items()), delivered)
            _until(lambda: sum(map(len, airflow.results("i_on_event", "list_versions"))) >= _ROUNDS)
        assert delivered() == to_deliver
        received = [version for result in airflow.results("i_on_event", "list_versions") for version in result]
        assert sorted(received) == sorted([reference, "published"] for reference in to_deliver["i_on_event"])
    record_property("watchers", str(samples))
    assert samples.complete > 0
    assert samples.incomplete == 0, samples
    assert len(samples.triggers) == expected, samples
    shows("events")


@dataclass
class OneWatcher:
    """A DAG that is scheduled on one watched model.

    Attributes:
        airflow: The Airflow that runs the DAG.
        publisher: The publisher of the model's versions.
        uri: The URI of the asset.
        downtime: The versions that were published while no triggerer ran. Airflow before 3.3 does not deliver them.
    """

    airflow: RealAirflow
    publisher: Publisher
    uri: str
    downtime: set[str] = field(default_factory=set)

    @property
    def delivered(self) -> list[str]:
        return delivered_versions(self.airflow, self.uri)

    def publish_until_some_delivered(self) -> None:
        """Publish several versions, and wait until some of them are delivered and others are not."""
        self.publisher.publish(6)
        _until(lambda: self.publisher.published[-4] in self.delivered, every=0.05)

    def until_all_are_delivered(self) -> None:
        _until(
            lambda: set(self.publisher.published) <= self.downtime | set(self.delivered),
            lambda: f"{self.publisher.published}: {self.delivered}",
        )

    @property
    def unconfirmed(self) -> set[str]:
        """The delivered versions that the checkpoint does not include yet (Airflow 3.3)."""
        if not HAS_STORES:
            return set()
        (checkpoint,) = (each["number"] for each in self.airflow.checkpoints())
        return {each for each in self.delivered if int(each.rpartition(":")[2]) > checkpoint}

    def restart_triggerer(self, sig: signal.Signals) -> set[str]:
        """End the triggerer during deliveries, publish while none runs, and start it again.

        Returns:
            The versions that were delivered and not confirmed when it ended.
        """
        self.publish_until_some_delivered()
        if sig is not signal.SIGKILL:
            process = psutil.Process(self.airflow.pid("triggerer"))
            os.kill(process.pid, sig)
            _until(lambda: process.status() == psutil.STATUS_ZOMBIE)
        self.airflow.kill("triggerer")
        unconfirmed = self.unconfirmed
        self.publisher.publish(2)
        if not HAS_STORES:
            self.downtime.update(set(self.publisher.published) - set(self.delivered))
        requests = self.publisher.requests
        self.airflow.start("triggerer")
        if not HAS_STORES:
            _until(lambda: self.publisher.requests > requests)
            self.publisher.publish(2)
        self.until_all_are_delivered()
        return unconfirmed


@contextmanager
def _one_watcher(sandbox: Sandbox, folder: Path, repository: Path) -> Iterator[OneWatcher]:
    publisher = Publisher(sandbox, sandbox.new_model(versions=1))
    arguments: dict[str, dict[str, Any]] = {
        "watches": {"model": publisher.model, "poll_interval": 1, "seconds_between_events": 1}
    }
    dags = _copy_dags(repository, folder / "dags", {"watches": "watches"})
    with running_airflow(folder, dags, _environment(sandbox, arguments), {"triggerer-2": ["triggerer"]}) as airflow:
        airflow.kill("triggerer-2")
        _until(lambda: len(watcher_triggers(airflow)) == 1 and None not in watcher_triggers(airflow).values())
        _until(airflow.checkpoints if HAS_STORES else lambda: publisher.is_polled)
        yield OneWatcher(airflow, publisher, watched_model(**arguments["watches"]).uri)


@pytest.mark.long
def test_a_stopped_or_killed_triggerer_repeats_only_unconfirmed_events(
    sandbox: Sandbox, tmp_path: Path, repository: Path, record_property: Callable[[str, object], None]
) -> None:
    repeated: dict[str, list[str]] = {}
    with _one_watcher(sandbox, tmp_path, repository) as watcher, WatcherSamples(watcher.airflow, 1) as samples:
        for number, sig in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGTERM)):
            before = find_duplicates(watcher.delivered)
            unconfirmed = watcher.restart_triggerer(sig)
            repeated[f"{number} {sig.name}"] = sorted(set(find_duplicates(watcher.delivered)) - set(before))
            assert unconfirmed.issuperset(repeated[f"{number} {sig.name}"]), (unconfirmed, repeated)
        assert set(watcher.delivered) >= set(watcher.publisher.published) - watcher.downtime
    record_property("published", len(watcher.publisher.published))
    record_property("delivered again", json.dumps(repeated))
    assert samples.checkpoints == sorted(samples.checkpoints), "the checkpoint moved back"


@pytest.mark.long
@pytest.mark.skipif(not HAS_STORES, reason="Airflow before 3.3 stores no checkpoint")
def test_a_suspended_and_replaced_triggerer_repeats_only_unconfirmed_events(
    sandbox: Sandbox, tmp_path: Path, repository: Path, record_property: Callable[[str, object], None]
) -> None:
    with _one_watcher(sandbox, tmp_path, repository) as watcher, WatcherSamples(watcher.airflow, 1) as samples:
        airflow, publisher = watcher.airflow, watcher.publisher
        (suspended,) = set(watcher_triggers(airflow).values())
        watcher.publish_until_some_delivered()
        _signal_all(airflow, "triggerer", signal.SIGSTOP)
        unconfirmed = watcher.unconfirmed
        airflow.start("triggerer-2")
        _until(lambda: set(watcher_triggers(airflow).values()) not in ({suspended}, {None}))
        publisher.publish(4)
        watcher.until_all_are_delivered()
        _signal_all(airflow, "triggerer", signal.SIGCONT)
        _until(lambda: _is_alive(airflow, suspended))
        publisher.publish(4)
        watcher.until_all_are_delivered()
        _until(lambda: airflow.checkpoints()[0]["number"] == len(publisher.published) + 1, airflow.checkpoints)
        repeated = find_duplicates(watcher.delivered)
    record_property("published", len(publisher.published))
    record_property("delivered again", json.dumps(repeated))
    # It can move back once, if the suspension fell exactly between reading and writing the checkpoint.
    assert sum(later < earlier for earlier, later in pairwise(samples.checkpoints)) <= 1, "the checkpoint moved back"
    # The suspended triggerer may also repeat the one event that it was delivering.
    assert len(set(repeated) - unconfirmed) <= 1, (repeated, unconfirmed)


def _signal_all(airflow: RealAirflow, name: str, sig: signal.Signals) -> None:
    """Send a signal to a process and to all its descendants."""
    process = psutil.Process(airflow.pid(name))
    for each in [process, *process.children(recursive=True)]:
        each.send_signal(sig)


def _is_alive(airflow: RealAirflow, job: int | None) -> bool:
    """Return whether a triggerer has sent a heartbeat since it was replaced."""
    row = airflow.fetch(
        "SELECT (SELECT latest_heartbeat FROM job WHERE id = :job)"
        " >= (SELECT max(latest_heartbeat) - interval '5 seconds' FROM job WHERE job_type = 'TriggererJob')",
        job=job,
    )[0]
    return bool(row[0])
