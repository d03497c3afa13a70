"""Runs tasks, each in a process of its own, whose clock is set by libfaketime: start it with that preloaded.

Says ``ready``; then reads tasks from its input, each a line of JSON. How each ended is written where the task says.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

from tasks import PRELOADED, Task, carry_out

# libfaketime 0.9.10 takes the end of a sleep, which the clock that nobody sets tells, for a time of day.
time.sleep = lambda seconds: threading.Event().wait(float(seconds))  # type: ignore[assignment]

for module in PRELOADED:
    import_module(module)
print("ready", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    process = os.fork()
    if process == 0:
        try:
            told = {**asked["task"], "folder": Path(asked["task"]["folder"])}
            carry_out(Task(**told), asked["number"], asked["connection"])
        finally:
            os._exit(0)
    os.waitpid(process, 0)
