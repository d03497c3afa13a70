"""What the workers with compressed time share: one schedule after the other, and what came of each as a line of JSON.

Needs nothing but Python, so that a worker in any environment can use it.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

from control import Control
from virtual_time import VirtualTime


class Killed(BaseException):
    """The process is gone."""


def carry_out(run: Callable[[int, str, str, Control, VirtualTime], dict[str, Any]]) -> None:
    """Read ``URL DATABASE TOKEN FIRST STEP COUNT`` from the command line, and carry the schedules of these seeds out.

    Args:
        run: Carries out the schedule of a seed, with the sandbox's URL and a token for it; gives what came of it.
    """
    url, database, token, first, step, count = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    time = VirtualTime()
    time.rule()
    control = Control(url, database)
    for seed in range(int(first), int(first) + int(step) * int(count), int(step)):
        print(json.dumps(run(seed, url, token, control, time)), flush=True)
