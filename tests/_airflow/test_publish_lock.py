"""One publish of an image at a time on one machine."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_wriftai._airflow import publish_lock as publish_lock_module
from airflow_provider_wriftai._airflow.publish_lock import identify_task, publish_lock
from airflow_provider_wriftai.client.backoff import Backoff

DIGEST = "sha256:" + "ab" * 32

HOLDER = """
import asyncio, sys
from pathlib import Path
from airflow_provider_wriftai._airflow.publish_lock import publish_lock

async def hold():
    async with publish_lock("https://h/v1", "acme/det", sys.argv[2], holder="a", folder=Path(sys.argv[1])) as held:
        print(held, flush=True)
        sys.stdin.read()

asyncio.run(hold())
"""


async def _acquire(folder: Path, *, digest: str = DIGEST, holder: str = "b", longest_wait: float = 0.0) -> bool:
    async with publish_lock(
        "https://h/v1", "acme/det", digest, holder=holder, folder=folder, longest_wait=longest_wait
    ) as held:
        return held


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "locks"


def test_another_process_that_publishes_the_image_is_waited_for(folder: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(folder), DIGEST]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not asyncio.run(_acquire(folder))
        assert asyncio.run(_acquire(folder, digest="sha256:" + "cd" * 32)), "another image is not waited for"

        async def wait_for_the_holder() -> bool:
            waiting = asyncio.create_task(_acquire(folder, longest_wait=60.0))
            await asyncio.sleep(0)
            holder.kill()
            return await waiting

        # The lock of a process that dies is released.
        assert asyncio.run(wait_for_the_holder())


def test_a_holder_that_takes_too_long_is_not_waited_for(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def lock_twice() -> bool:
        async with publish_lock("https://h/v1", "acme/det", DIGEST, folder=folder) as first:
            assert first
            return await _acquire(folder, longest_wait=0.2)

    with caplog.at_level(logging.INFO):
        assert not asyncio.run(lock_twice())
    assert "Waiting for it for up to 0 s" in caplog.text
    assert "Publishing without the lock" in caplog.text


@pytest.mark.parametrize(("holder", "waits"), [("a", False), ("b", True), ("", True)])
def test_an_earlier_try_that_is_suspended_is_not_waited_for(
    folder: Path, caplog: pytest.LogCaptureFixture, holder: str, waits: bool
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), DIGEST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "True\n"
        first.send_signal(signal.SIGSTOP)
        assert not asyncio.run(_acquire(folder, holder=holder, longest_wait=0.3 if waits else 300.0))
        first.kill()
    assert ("an earlier try of this task" in caplog.text) is not waits
    assert ("did not finish" in caplog.text) is waits


def test_a_former_holder_is_not_taken_for_the_current_one(folder: Path) -> None:
    assert asyncio.run(_acquire(folder, holder="a"))

    async def hold_without_a_name() -> bool:
        async with publish_lock("https://h/v1", "acme/det", DIGEST, folder=folder):
            return await _acquire(folder, holder="a", longest_wait=0.3)

    assert not asyncio.run(hold_without_a_name())
    assert asyncio.run(_acquire(folder, holder="a"))


def test_one_task_at_a_time_holds_the_lock_although_its_file_is_deleted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_lock_module, "_POLL", Backoff(0.001, maximum=0.01))
    holders = most = 0

    async def hold(number: int) -> None:
        nonlocal holders, most
        async with publish_lock(
            "https://h/v1", "acme/det", DIGEST, holder=str(number), folder=folder, longest_wait=60.0
        ) as held:
            assert held
            holders += 1
            most = max(most, holders)
            for _ in range(3):
                await asyncio.sleep(0)
            holders -= 1

    async def hold_all() -> None:
        await asyncio.gather(*(hold(number) for number in range(30)))

    asyncio.run(hold_all())
    assert most == 1
    assert list(folder.iterdir()) == []


def test_a_file_that_somebody_deleted_is_not_deleted_again(folder: Path) -> None:
    def replace_the_file() -> None:
        (file,) = folder.iterdir()
        file.unlink()
        file.touch(mode=0o600)

    async def hold_while_the_file_is_replaced() -> None:
        async with publish_lock("https://h/v1", "acme/det", DIGEST, folder=folder) as held:
            assert held
            replace_the_file()

    asyncio.run(hold_while_the_file_is_replaced())
    assert len(list(folder.iterdir())) == 1


def test_all_tries_of_a_task_are_one_holder() -> None:
    def identify(**changes: object) -> str:
        ti = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "try_number": 1, **changes}
        return identify_task({"ti": SimpleNamespace(**ti)})

    assert identify(try_number=2) == identify()
    assert len({identify(), *(identify(**{name: "x"}) for name in ("dag_id", "run_id", "task_id", "map_index"))}) == 5
    assert identify_task({}) == ""


def test_without_a_folder_there_is_no_lock(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "locks").write_text("not a folder")
    with caplog.at_level(logging.INFO):
        assert not asyncio.run(_acquire(tmp_path / "locks"))
    assert "Publishing without the lock" in caplog.text


def test_what_others_may_write_to_is_not_trusted(folder: Path) -> None:
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    assert not asyncio.run(_acquire(folder))
    folder.chmod(0o700)

    def stat_the_file() -> os.stat_result:
        (file,) = folder.iterdir()
        return file.stat()

    async def look_at_the_file() -> os.stat_result:
        async with publish_lock("https://h/v1", "acme/det", DIGEST, folder=folder) as held:
            assert held
            return stat_the_file()

    status = asyncio.run(look_at_the_file())
    assert status.st_mode & 0o777 == 0o600
    assert status.st_uid == os.geteuid()
