"""``make demo``, from start to end."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

Start = Callable[..., Any]


def test_it_publishes_waits_and_prunes_and_can_run_again(start: Start, tmp_path: Path) -> None:
    with start("demo") as process:
        first, _ = process.communicate()
        assert process.returncode == 0, first
    assert "Published  acme/sentiment:13" in first
    assert "Waited     acme/sentiment:13 is there" in first
    assert "Pruned     8 versions of acme/sentiment:" in first
    assert "acme/sentiment:1     number 13 from the newest, 5 kept" in first
    assert "Kept       5 versions:" in first
    assert "make ui" in first

    token = json.loads((tmp_path / "secrets.json").read_text())["token"]
    assert token not in first
    assert token not in (tmp_path / "demo.log").read_text()

    with start("demo") as process:
        second, _ = process.communicate()
        assert process.returncode == 0, second
    assert "Published  acme/sentiment:14" in second
    assert "Pruned     1 version of acme/sentiment:" in second


def test_an_interrupt_ends_it_cleanly(start: Start) -> None:
    with start("demo") as process:
        for line in process.stdout:
            if "task build_image" in line:
                break
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate()
        assert process.returncode == 130
        assert "Interrupted; everything that was started has been stopped." in rest
        assert "Traceback" not in rest


def test_only_one_at_a_time(start: Start) -> None:
    with start("demo") as first:
        assert "[1/4]" in first.stdout.readline()
        assert "http://" in first.stdout.readline()
        with start("demo") as second:
            output, _ = second.communicate()
            assert second.returncode == 1
            assert "stop that one first" in output
            # Stop the first one before the check for leftover processes of the second one.
            first.send_signal(signal.SIGINT)
            first.communicate()
