"""Creates with the official client under the same schedules, and again where that fails, as a task would.

``official.py URL DATABASE TOKEN FIRST STEP COUNT``; prints what became of each as a line of JSON.
"""

from typing import Any

from control import OWNER, Control
from each_schedule import carry_out
from schedules import schedule
from virtual_time import VirtualTime
from wriftai import Client

DIGEST = "sha256:" + "ab" * 32
PARAMS = {
    "release_notes": "of this task",
    "schemas": {"prediction": {"input": {}, "output": {}}},
    "container_image_digest": DIGEST,
}
TRIES = 4


def run(seed: int, url: str, token: str, control: Control, time: VirtualTime) -> dict[str, Any]:
    """Carry one schedule out; gives what is in the database, and what was after the first call."""
    plan = schedule(seed)
    name = f"official-{seed}"
    control.add_model(OWNER, name, plan.existing)
    control.add_faults([*plan.creates, *plan.looks])
    versions = Client(access_token=token, api_base_url=f"{url}/generation-2/v1").model_versions
    ended, once = "failed", None
    for _ in range(TRIES):
        try:
            time.at(time.now() + plan.late, control.release)
            versions.create(f"{OWNER}/{name}", PARAMS)
            ended = "published"
        except Exception:  # noqa: BLE001 - whatever it is, a task is tried again
            pass
        if once is None:
            time.let_everything_happen()
            once = len(control.versions_of(OWNER, name, DIGEST))
        if ended == "published":
            break
        time.sleep(plan.retry_delay)
    time.let_everything_happen()
    faults = len(plan.creates) + len(plan.looks) - control.end_faults()
    there = control.versions_of(OWNER, name, DIGEST)
    return {"seed": seed, "ended": ended, "faults": faults, "versions": len(there), "after_one_call": once}


carry_out(run)
