"""Publishes under schedules of faults, as a task of Airflow with its tries would.

``ours.py URL DATABASE TOKEN FIRST STEP COUNT``; prints what became of each as a line of JSON.
"""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
from control import OWNER, Control
from each_schedule import Killed, carry_out
from schedules import Schedule, schedule
from virtual_time import VirtualTime

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.client.versions import CreateVersionParams, Versions
from airflow_provider_wriftai.domain.publishing.errors import UnsettledCreateError, VersionExistsError
from airflow_provider_wriftai.domain.publishing.publish import IfExists, publish

DIGEST = "sha256:" + "ab" * 32
PARAMS: CreateVersionParams = {
    "release_notes": "of this task",
    "schemas": {"prediction": {"input": {}, "output": {}}},
    "container_image_digest": DIGEST,
}
TRIES = 4
FINAL = (UnsettledCreateError, VersionExistsError)


class Notes:
    """What a task keeps over its tries."""

    def __init__(self) -> None:
        self._text: str | None = None

    def load(self) -> Any:
        return None if self._text is None else json.loads(self._text)

    def save(self, value: dict[str, Any]) -> None:
        self._text = json.dumps(value)


@dataclass
class Network(httpx.BaseTransport):
    """The network between the task and the service, in which the task can be killed."""

    plan: Schedule
    time: VirtualTime
    control: Control
    sent: int = 0
    creates: int = 0
    dead: bool = False
    inner: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        number, self.sent = self.sent, self.sent + 1
        dies = number == self.plan.dies_at
        self.dead = self.dead or dies
        if dies and self.plan.dies_before:
            raise Killed
        if request.method == "POST":
            self.creates += 1
            self.time.at(self.time.now() + self.plan.late, self.control.release)
        response = self.inner.handle_request(request)
        if dies:
            response.close()
            raise Killed
        return response

    def close(self) -> None:
        pass


def run(seed: int, url: str, token: str, control: Control, time: VirtualTime) -> dict[str, Any]:
    """Carry one schedule out, and hold what came of it against the database."""
    plan = schedule(seed)
    name = f"ours-{plan.seed}"
    control.add_model(OWNER, name, plan.existing)
    control.add_faults([*plan.creates, *plan.looks])
    network = Network(plan, time, control)
    memory = Notes() if plan.remembers else None
    base_url = f"{url}/generation-{plan.generation}/v1"

    def attempt(number: int, mode: str) -> str:
        with API(base_url, token, transport=network) as api:
            published = publish(
                Versions(api),
                ModelReference(OWNER, name),
                PARAMS,
                if_exists=cast("IfExists", mode),
                memory=memory,
                is_retry=number > 1,
                sleep=time.sleep,
                clock=time.now,
            )
        return published.version["reference"]

    result: str | None = None
    error = ""
    ended = "failed"
    for number in range(1, TRIES + 1):
        try:
            result = attempt(number, plan.mode)
            ended = "published"
            break
        except Killed:
            error = "killed"
        except WriftAIError as failure:
            error = str(failure) or "an error without a text"
            if isinstance(failure, FINAL):
                break
        except Exception:  # noqa: BLE001 - whatever is none of ours is a finding
            error, ended = traceback.format_exc(), "crashed"
            break
        time.sleep(plan.retry_delay)
    time.let_everything_happen()
    faults = len(plan.creates) + len(plan.looks) - control.end_faults() + network.dead
    there = control.versions_of(OWNER, name, DIGEST)
    outcome = {
        "seed": plan.seed, "ended": ended, "faults": faults, "creates": network.creates, "killed": int(network.dead),
        "error": error,
    }  # fmt: skip
    if len(there) > 1:
        return {**outcome, "findings": [("duplicated", str(there))]}
    if ended == "published":
        found = bool(there) and result in there[0]
        return {**outcome, "findings": [] if found else [("lost", f"returned {result}, there is {there}")]}
    if ended == "crashed":
        return {**outcome, "findings": [("broken otherwise", error)]}
    # A clear error: a second run, where nothing goes wrong, adopts what is there, or makes it.
    network.plan = schedule_without_death(plan)
    again = attempt(TRIES + 1, "reuse")
    finally_there = control.versions_of(OWNER, name, DIGEST)
    if len(finally_there) > 1:
        return {**outcome, "findings": [("duplicated", f"{there}, then {finally_there}")]}
    good = bool(finally_there) and again in finally_there[0] and (not there or there == finally_there)
    return {**outcome, "findings": [] if good else [("lost", f"{there}, then {finally_there}; returned {again}")]}


def schedule_without_death(plan: Schedule) -> Schedule:
    return Schedule(**{**vars(plan), "dies_at": None})


carry_out(run)
