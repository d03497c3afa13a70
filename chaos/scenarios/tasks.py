"""Run tasks in real processes that are killed (kill -9), lose their token, or meet faults of the service."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from chaos.kill_points import HOLD_SECONDS, Killer, KillPoint, draw_point
from chaos.nemesis import draw_delete_fault, draw_read_fault
from chaos.scenario import Finding, Kind, Outcome, Row, Scenario, Setting
from chaos.service import Service, run_on_services
from chaos.tasks import MOST_TRIES
from chaos.workloads.prune import PruneWorkload
from chaos.workloads.publish import PublishWorkload

# The service executes delayed requests well within the time for which a publish searches.
_MAX_DELAY = 1.0
_REVOKED_AFTER = 0.3
_SERVICES = 12

_PUBLISH = frozenset({Kind.LOST, Kind.DUPLICATED})
_PRUNE = frozenset({Kind.LOST, Kind.WRONGLY_DELETED})


def _draw_publish(seed: int, draw: random.Random, service: Service, generation: int) -> PublishWorkload:
    mode, name = ("reuse", "fail", "create")[seed // 2 % 3], f"published-{seed}"
    service.add_model(name, draw.choice((0, 1, 3, 12)))
    # In mode "create" without a store, a retry cannot know whether a killed try has created the version.
    has_store = mode == "create" or draw.random() < 0.6
    return PublishWorkload(service, name, generation, mode, has_store=has_store)


def _draw_prune(seed: int, draw: random.Random, service: Service, generation: int) -> PruneWorkload:
    return PruneWorkload(service, f"pruned-{seed}", generation, draw, draw.choice((1, 2, 12, 30, 70, 150)))


def _draw_points(draw: random.Random, workload: PublishWorkload | PruneWorkload, count: int) -> list[KillPoint]:
    return [draw_point(draw, "/versions$", workload.change, _MAX_DELAY) for _ in range(count)]


def _run_killed(name: str, seed: int, service: Service) -> Outcome:
    draw = random.Random(f"{name} {seed}")  # noqa: S311
    draw_workload = _draw_publish if name == "publish_killed" else _draw_prune
    workload = draw_workload(seed, draw, service, 1 + seed % 2)
    return _run_workload(seed, workload, service, _draw_points(draw, workload, draw.choice((1, 1, 2, 3))))


def _run_faults(seed: int, service: Service) -> Outcome:
    draw = random.Random(f"prune_faults {seed}")  # noqa: S311
    workload = _draw_prune(seed, draw, service, 1 + seed % 2)
    faults = [draw_read_fault(draw) for _ in range(draw.choice((0, 0, 1, 2, 4)))]
    faults += [draw_delete_fault(draw) for _ in range(draw.choice((0, 1, 2, 5, 10)))]
    points = _draw_points(draw, workload, 1) if draw.random() < 0.3 else []
    return _run_workload(seed, workload, service, points, faults)


def _run_revoked(seed: int, service: Service) -> Outcome:
    draw = random.Random(f"token_revoked {seed}")  # noqa: S311
    draw_workload = _draw_publish if seed // 2 % 2 else _draw_prune
    workload = draw_workload(seed, draw, service, 1 + seed % 2)
    (point,) = _draw_points(draw, workload, 1)
    # The service holds the request only until the token has been revoked.
    return _run_workload(seed, workload, service, [replace(point, action="revoke", late=_REVOKED_AFTER)])


def _run_workload(
    seed: int,
    workload: PublishWorkload | PruneWorkload,
    service: Service,
    points: list[KillPoint],
    faults: list[dict[str, object]] | None = None,
) -> Outcome:
    """Run a workload until it ends, and check it."""
    token = service.new_token()
    generation = 1 + seed % 2
    service.add_faults(faults or [])
    killer = Killer(points, service, token)

    def is_kill_due(seconds: float) -> bool:
        if isinstance(workload, PruneWorkload):
            workload.disturb()
        return killer.is_kill_due(seconds)

    connection = service.connection(token, generation, retry_attempts=3)
    result = workload.run(connection, is_kill_due, MOST_TRIES + len(points))
    unused = sum(fault.ends_at_hangup and fault.delay < HOLD_SECONDS for fault in service.pending())
    service.end_faults()
    findings = workload.check(result, service.connection(service.new_token(), generation))
    if killer.revoked and not result.succeeded and result.state != "failed for good":
        findings += (Finding(Kind.OTHER, f"A refused token was tried {result.tries} times: {result.error}"),)
    if token in result.error:
        findings += (Finding(Kind.OTHER, "The token is in the error."),)
    return Outcome(
        seed,
        faults=result.kills + killer.revoked + len(faults or []) - unused,
        clear_errors=result.has_clear_error,
        error=result.error,
        findings=findings,
        notes={"tries": result.tries},
    )


def _scenario(
    name: str, title: str, counts: frozenset[Kind], runs: int, run: Callable[[int, Service], Outcome]
) -> Scenario:
    def run_all(setting: Setting) -> Iterator[Outcome]:
        yield from run_on_services(run, range(setting.seed, setting.seed + setting.runs), setting.folder, _SERVICES)

    return Scenario(name, (Row(name, title, "tasks", counts),), runs, runs // 8, run_all)


SCENARIOS = (
    _scenario(
        "publish_killed", "publish, process killed (kill -9)", _PUBLISH, 120, partial(_run_killed, "publish_killed")
    ),
    _scenario("prune_killed", "prune, process killed (kill -9)", _PRUNE, 120, partial(_run_killed, "prune_killed")),
    _scenario("prune_faults", "prune under random faults", _PRUNE, 240, _run_faults),
    _scenario("token_revoked", "publish and prune, token revoked and replaced", _PUBLISH | _PRUNE, 80, _run_revoked),
)
