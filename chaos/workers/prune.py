"""Prunes under schedules of faults, as a task of Airflow with its tries would.

``prune.py URL DATABASE TOKEN FIRST STEP COUNT``; prints what became of each as a line of JSON.
"""

from __future__ import annotations

import asyncio
import random
import time as real_time
import traceback
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from control import OWNER, Control
from each_schedule import Killed, carry_out
from ledger import Ledger
from prune_schedules import PruneSchedule, prune_schedule
from retention_rules import Rules, draw_rules, make_model
from virtual_time import VirtualTime

from airflow_provider_wriftai.client.api import API
from airflow_provider_wriftai.client.errors import WriftAIError
from airflow_provider_wriftai.client.references import ModelReference
from airflow_provider_wriftai.domain.retention.policy import RetentionPolicy
from airflow_provider_wriftai.domain.retention.protection import Protection
from airflow_provider_wriftai.domain.retention.prune import prune
from airflow_provider_wriftai.domain.retention.report import PruneReport
from airflow_provider_wriftai.domain.retention.selectors import read_versions

TRIES = 4

_monotonic = real_time.monotonic


class UnhurriedLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers go by the real time: what is under way does not time out where time jumps."""

    def time(self) -> float:
        return _monotonic()


@dataclass
class Network(httpx.AsyncBaseTransport):
    """The network between the task and the service, in which the task can be killed, and others are at work."""

    plan: PruneSchedule
    time: VirtualTime
    control: Control
    ledger: Ledger
    calm: bool = False
    sent: int = 0
    deletes: int = 0
    kills: int = 0
    is_dead: bool = False
    inner: httpx.AsyncHTTPTransport = field(default_factory=httpx.AsyncHTTPTransport)

    def try_begins(self) -> None:
        self.is_dead = False
        self.inner = httpx.AsyncHTTPTransport()
        self.ledger.try_begins()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.is_dead:
            raise Killed
        number, self.sent = self.sent, self.sent + 1
        dies = number == self.plan.dies_at and not self.calm
        if dies:
            self.kills += 1
            self.is_dead = True
            if self.plan.dies_before:
                raise Killed
        if request.method == "DELETE":
            self.time.at(self.time.now() + self.plan.late, self.control.release)
            if self.deletes == self.plan.disturbed_at:
                self.disturb()
            self.deletes += 1
        response = await self.inner.handle_async_request(request)
        if dies:
            await response.aclose()
            raise Killed
        return response

    def disturb(self) -> None:
        """Let somebody else publish and delete."""
        for each in sorted(self.ledger.due)[: self.plan.deleted]:
            self.ledger.somebody_else_deletes(each)
        self.ledger.somebody_else_publishes(self.plan.published)

    async def aclose(self) -> None:
        await self.inner.aclose()


def run(seed: int, url: str, token: str, control: Control, time: VirtualTime) -> dict[str, Any]:
    """Carry one schedule out, and hold what came of it against what was due."""
    plan = prune_schedule(seed)
    name = f"pruned-{plan.seed}"
    draw = random.Random(f"rules {plan.seed}")  # noqa: S311
    rules = draw_rules(draw, make_model(control, draw, name, plan.versions, plan.generation))
    model = ModelReference(OWNER, name)
    policy = read_policy(rules, model, control.names(OWNER, name), plan.generation)
    control.add_faults([*plan.looks, *plan.deletes])
    ledger = Ledger(control, name, plan.generation, rules)
    network = Network(plan, time, control, ledger)

    async def attempt() -> PruneReport:
        network.try_begins()
        async with API(f"{url}/generation-{plan.generation}/v1", token, async_transport=network) as api:
            return await prune(api, model, policy, sleep=sleep)

    async def sleep(seconds: float) -> None:
        time.sleep(seconds)

    def finished(attempts: int) -> tuple[str, str, PruneReport | None]:
        error = ""
        for _ in range(attempts):
            try:
                with asyncio.Runner(loop_factory=UnhurriedLoop) as runner:
                    return "done", "", runner.run(attempt())
            except Killed:
                error = "killed"
            except WriftAIError as failure:
                error = str(failure) or "an error without a text"
                if not failure.retryable:
                    break
            except Exception:  # noqa: BLE001 - whatever is none of ours is a finding
                return "crashed", traceback.format_exc(), None
            time.sleep(plan.retry_delay)
        return "failed", error, None

    ended, error, report = finished(TRIES)
    time.let_everything_happen()
    faults = len(plan.looks) + len(plan.deletes) - control.end_faults() + network.kills
    findings = ledger.findings(report)
    if ended == "crashed":
        findings.append(("broken otherwise", error))
    if ended == "failed":
        # A clear error: another try, where nothing goes wrong, does exactly the rest.
        network.calm = True
        again, error_again, report = finished(1)
        findings += ledger.findings(report)
        if again != "done" and rules.max_deletions is None:
            findings.append(("broken otherwise", f"after {error}: {error_again}"))
    return {
        "seed": plan.seed, "ended": ended, "error": error, "faults": faults, "killed": network.kills,
        "deletes": network.deletes, "findings": findings,
    }  # fmt: skip


def read_policy(rules: Rules, model: ModelReference, names: dict[str, str], generation: int) -> RetentionPolicy:
    """Read the rules as the operator does."""
    given = rules.arguments(names, generation)
    return RetentionPolicy(
        keep_last=rules.keep_last,
        older_than=None if rules.older_than_days is None else timedelta(days=rules.older_than_days),
        protection=Protection.read(model, given.get("protect", []), given.get("protect_release_notes")),
        only=read_versions("only", model, given["only"]) if "only" in given else None,
        max_deletions=rules.max_deletions,
    )


carry_out(run)
