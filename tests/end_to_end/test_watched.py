"""Watched models on real processes: no other DAG file takes a watcher away, and every version makes one event."""

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
from tests.support.sandbox import Sandbox
from tests.support.watchers import WatcherSamples, delivered, repeated, watchers

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(AIRFLOW_2, reason="Airflow 2 has no watchers"),
    pytest.mark.timeout(1200),
]

_PATIENCE = 300.0
_ROUNDS = 4
"""How many versions of each model are published. All DAG files are parsed between two of them."""

_SETTINGS = {
    "AIRFLOW__DAG_PROCESSOR__FILE_PARSING_SORT_MODE": "alphabetical",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
}


def _until(done: Callable[[], object], status: Callable[[], object] = lambda: "", *, every: float = 0.3) -> None:
    until(done, status, patience=_PATIENCE, every=every)


@dataclass
class Publisher:
    """Publishes to a model, from outside Airflow.

    Attributes:
        published: What was published, in its order.
    """

    sandbox: Sandbox
    model: str
    published: list[str] = field(default_factory=list)

    def publish(self, count: int = 1, notes: str = "x") -> None:
        for _ in range(count):
            made = self.sandbox.store.create_version(
                *self.model.split("/"), release_notes=notes, schemas={}, container_image_digest="sha256:" + "ab" * 32
            )
            self.published.append(f"{self.model}:{made.number}")

    @property
    def requests(self) -> int:
        """How many requests the service has had for the model."""
        return sum(f"/{self.model}/versions" in each["path"] for each in self.sandbox.store.requests(100_000))

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


def _parsed(airflow: RealAirflow) -> dict[str, Any]:
    return {row[0]: row[1] for row in airflow.ask("SELECT dag_id, last_parsed_time FROM dag")}


def test_no_other_file_takes_a_watcher_away(
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
        # A file that publishes is parsed after the one that watches, and before it.
        "a_watches": ("watches", first | intervals),
        "b_publishes": ("publishes", first),
        "c_publishes": ("publishes", second),
        "d_watches": ("watches", second | intervals),
        # One DAG does both.
        "e_both": ("watches_and_publishes", third | intervals),
        # Two files differ in one argument, and a third one is equal to the first.
        "f_every": ("watches", fourth | intervals),
        "g_releases": ("watches", fourth | intervals | {"release_notes": "^release"}),
        "h_every_again": ("watches", fourth | intervals),
        # The guide's example.
        "i_hears": ("hears", fifth | intervals),
    }
    arguments = {name: each for name, (_, each) in cases.items()}
    watching = {name: watched_model(**arguments[name]).uri for name in cases if "publishes" not in name}
    expected = len(set(watching.values()))
    dags = _copy_dags(repository, tmp_path / "dags", {name: source for name, (source, _) in cases.items()})
    with running_airflow(tmp_path, dags, _environment(sandbox, arguments)) as airflow:
        _until(lambda: set(_parsed(airflow)) == set(cases), lambda: _parsed(airflow))
        _until(lambda: len(watchers(airflow)) == expected, lambda: watchers(airflow))
        _until(lambda: all(publisher.is_polled for publisher in publishers))
        if HAS_STORES:
            _until(lambda: len(airflow.marks()) == expected, airflow.marks)
        with WatcherSamples(airflow, expected) as samples:
            for number in range(_ROUNDS):
                before = _parsed(airflow)
                for publisher in publishers:
                    publisher.publish(notes="release" if number % 2 else "x")
                _until(lambda: all(_parsed(airflow)[name] != before[name] for name in cases))  # noqa: B023 - used at once
            versions = {publisher.model: publisher.published for publisher in publishers}
            wanted = {name: versions[arguments[name]["model"]] for name in watching}
            wanted["g_releases"] = wanted["g_releases"][1::2]

            def outcome() -> dict[str, list[str]]:
                return {name: delivered(airflow, uri) for name, uri in watching.items()}

            _until(lambda: all(len(references) >= len(wanted[name]) for name, references in outcome().items()), outcome)
            _until(lambda: sum(map(len, airflow.results("i_hears", "tell"))) >= _ROUNDS)
        assert outcome() == wanted
        heard = [each for told in airflow.results("i_hears", "tell") for each in told]
        assert sorted(heard) == sorted([reference, "published"] for reference in wanted["i_hears"])
    record_property("watchers", str(samples))
    assert samples.complete > 0
    assert samples.incomplete == 0, samples
    assert len(samples.triggers) == expected, samples
    shows("events")


@dataclass
class OneWatcher:
    """A DAG that is scheduled on one watched model.

    Attributes:
        airflow: Where it runs.
        publisher: Publishes to the model.
        uri: The asset.
        downtime: What was published while no triggerer ran: before Airflow 3.3 it is not delivered.
    """

    airflow: RealAirflow
    publisher: Publisher
    uri: str
    downtime: set[str] = field(default_factory=set)

    @property
    def delivered(self) -> list[str]:
        return delivered(self.airflow, self.uri)

    def publish_amid(self) -> None:
        """Publish, and wait until some versions are delivered and others are to come."""
        self.publisher.publish(6)
        _until(lambda: self.publisher.published[-4] in self.delivered, every=0.05)

    def until_all_are_delivered(self) -> None:
        _until(
            lambda: set(self.publisher.published) <= self.downtime | set(self.delivered),
            lambda: f"{self.publisher.published}: {self.delivered}",
        )

    @property
    def unconfirmed(self) -> set[str]:
        """What was delivered, but not confirmed: the checkpoint is behind the others (Airflow 3.3)."""
        if not HAS_STORES:
            return set()
        (checkpoint,) = (each["number"] for each in self.airflow.marks())
        return {each for each in self.delivered if int(each.rpartition(":")[2]) > checkpoint}

    def restart_triggerer(self, how: signal.Signals) -> set[str]:
        """End the triggerer amid deliveries, publish while none runs, and start it; returns what was unconfirmed."""
        self.publish_amid()
        if how is not signal.SIGKILL:
            process = psutil.Process(self.airflow.pid("triggerer"))
            os.kill(process.pid, how)
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
        _until(lambda: len(watchers(airflow)) == 1 and None not in watchers(airflow).values())
        _until(airflow.marks if HAS_STORES else lambda: publisher.is_polled)
        yield OneWatcher(airflow, publisher, watched_model(**arguments["watches"]).uri)


@pytest.mark.long
def test_a_triggerer_that_is_stopped_or_killed(
    sandbox: Sandbox, tmp_path: Path, repository: Path, record_property: Callable[[str, object], None]
) -> None:
    again: dict[str, list[str]] = {}
    with _one_watcher(sandbox, tmp_path, repository) as watcher, WatcherSamples(watcher.airflow, 1) as samples:
        for number, how in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGTERM)):
            before = repeated(watcher.delivered)
            unconfirmed = watcher.restart_triggerer(how)
            again[f"{number} {how.name}"] = sorted(set(repeated(watcher.delivered)) - set(before))
            assert unconfirmed.issuperset(again[f"{number} {how.name}"]), (unconfirmed, again)
        assert set(watcher.delivered) >= set(watcher.publisher.published) - watcher.downtime
    record_property("published", len(watcher.publisher.published))
    record_property("delivered again", json.dumps(again))
    assert samples.checkpoints == sorted(samples.checkpoints), "the checkpoint moved back"


@pytest.mark.long
@pytest.mark.skipif(not HAS_STORES, reason="Airflow before 3.3 keeps no checkpoint")
def test_a_triggerer_that_is_suspended_replaced_and_resumed(
    sandbox: Sandbox, tmp_path: Path, repository: Path, record_property: Callable[[str, object], None]
) -> None:
    with _one_watcher(sandbox, tmp_path, repository) as watcher, WatcherSamples(watcher.airflow, 1) as samples:
        airflow, publisher = watcher.airflow, watcher.publisher
        (holder,) = set(watchers(airflow).values())
        watcher.publish_amid()
        _signal_all(airflow, "triggerer", signal.SIGSTOP)
        unconfirmed = watcher.unconfirmed
        airflow.start("triggerer-2")
        _until(lambda: set(watchers(airflow).values()) not in ({holder}, {None}))
        publisher.publish(4)
        watcher.until_all_are_delivered()
        _signal_all(airflow, "triggerer", signal.SIGCONT)
        _until(lambda: _is_alive(airflow, holder))
        publisher.publish(4)
        watcher.until_all_are_delivered()
        _until(lambda: airflow.marks()[0]["number"] == len(publisher.published) + 1, airflow.marks)
        again = repeated(watcher.delivered)
    record_property("published", len(publisher.published))
    record_property("delivered again", json.dumps(again))
    # Back at most once: where the suspension came exactly between reading the checkpoint and writing it.
    assert sum(later < earlier for earlier, later in pairwise(samples.checkpoints)) <= 1, "the checkpoint moved back"
    # Beside those, only the one that the suspended triggerer had in hand.
    assert len(set(again) - unconfirmed) <= 1, (again, unconfirmed)


def _signal_all(airflow: RealAirflow, name: str, how: signal.Signals) -> None:
    """Send a signal to a process and to all that it has started."""
    process = psutil.Process(airflow.pid(name))
    for each in [process, *process.children(recursive=True)]:
        each.send_signal(how)


def _is_alive(airflow: RealAirflow, job: int | None) -> bool:
    """Return whether a triggerer has sent a heartbeat since it was replaced."""
    row = airflow.ask(
        "SELECT (SELECT latest_heartbeat FROM job WHERE id = :job)"
        " >= (SELECT max(latest_heartbeat) - interval '5 seconds' FROM job WHERE job_type = 'TriggererJob')",
        job=job,
    )[0]
    return bool(row[0])
