from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import logging
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from airflow_provider_wriftai.client import reservation_clock
from airflow_provider_wriftai.client.access_token import AccessToken
from airflow_provider_wriftai.client.bucket_estimate import BucketEstimate, Limited, Observation
from airflow_provider_wriftai.client.private_folder import private_folder
from airflow_provider_wriftai.client.rate_limiter import RateLimiter
from airflow_provider_wriftai.client.reservation_clock import (
    ClockBusyError,
    ClockUnavailableError,
    ReservationClock,
    clock_name,
)
from airflow_provider_wriftai.client.response import Response


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "own"


def _reserve(clock: ReservationClock, now: float) -> tuple[bool, float]:
    with clock.locked() as bucket:
        return bucket.reserve(now)


def _teach(clock: ReservationClock, interval: float = 0.5) -> float:
    """Set the interval of a clock, and return the time of the first slot."""
    now = time.monotonic()
    with clock.locked() as bucket:
        bucket.limited, bucket.interval, bucket.next_slot, bucket.observed_at = Limited.YES, interval, now, now
    return now


def test_each_process_gets_the_next_slot(folder: Path) -> None:
    clocks = [ReservationClock(folder, "budget") for _ in range(3)]
    now = _teach(clocks[0])
    assert [_reserve(clock, now)[1] for clock in clocks] == [now, now + 0.5, now + 1]


def test_the_file_is_this_users_alone(folder: Path) -> None:
    _reserve(ReservationClock(folder, "budget"), time.monotonic())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "budget").stat().st_mode) == 0o600


def test_the_name_tells_nothing_and_tells_budgets_apart() -> None:
    token = AccessToken("secret-token")
    names = {
        clock_name("https://h", token),
        clock_name("https://i", token),
        clock_name("http://h", token),
        clock_name("https://h", AccessToken("other")),
        clock_name("https://h", AccessToken("")),
    }
    assert len(names) == 5
    assert all(len(name) == 32 and "secret" not in name for name in names)
    assert clock_name("https://h", token) == clock_name("https://h", AccessToken("secret-token"))


def test_the_folder_is_the_users_runtime_folder_or_the_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = f"airflow-provider-wriftai-{os.geteuid()}"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert private_folder() == tmp_path / own
    for unusable in ("", "relative", str(tmp_path / "missing")):
        monkeypatch.setenv("XDG_RUNTIME_DIR", unusable)
        assert private_folder() == Path(tempfile.gettempdir()) / own
    assert private_folder(Path("/shared")) == Path("/shared") / own


def _foreign_user(path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can change the owner of a file")
    os.chown(path, 12345, 12345)


def _folder_of_another_user(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    _foreign_user(folder)


def _folder_that_others_can_read(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)


def _folder_that_is_a_link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "elsewhere")


def _folder_that_is_a_file(folder: Path) -> None:
    folder.write_text("")


def _missing_parent(folder: Path) -> None:
    folder.parent.rmdir()


def _file_of_another_user(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "budget").touch(mode=0o600)
    _foreign_user(folder / "budget")


def _file_that_others_can_write(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "budget").touch()
    (folder / "budget").chmod(0o666)


def _file_that_is_a_link(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder.parent / "target").touch(mode=0o600)
    (folder / "budget").symlink_to(folder.parent / "target")


def _file_that_is_a_pipe(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.mkfifo(folder / "budget", 0o600)


def _file_that_is_a_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "budget").mkdir(mode=0o700)


def _file_of_another_program(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "budget").touch(mode=0o600)
    (folder / "budget").write_text("data of another program, which must not be overwritten")


_OBSTACLES = [
    _folder_of_another_user,
    _folder_that_others_can_read,
    _folder_that_is_a_link,
    _folder_that_is_a_file,
    _missing_parent,
    _file_of_another_user,
    _file_that_others_can_write,
    _file_that_is_a_link,
    _file_that_is_a_pipe,
    _file_that_is_a_folder,
    _file_of_another_program,
]


def _check_unshared(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Check that a limiter works without sharing, and logs the reason once."""
    limiter = RateLimiter(ReservationClock(folder, "budget"))
    with caplog.at_level(logging.DEBUG, "airflow_provider_wriftai"):
        for _ in range(3):
            assert next(limiter.acquire(), 0.0) == 0
            headers = {"x-ratelimit-remaining": "4", "x-ratelimit-reset": "1"}
            limiter.update(Response(200, headers, b""), time.monotonic())
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.DEBUG
    assert limiter._in_flight == 0


@pytest.mark.parametrize("obstacle", _OBSTACLES)
def test_a_process_that_cannot_use_the_file_continues_alone(
    folder: Path, obstacle: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    obstacle(folder)
    before = {path: path.lstat().st_mtime_ns for path in folder.parent.rglob("*")} if folder.parent.exists() else {}
    with pytest.raises(ClockUnavailableError):
        _reserve(ReservationClock(folder, "budget"), time.monotonic())
    _check_unshared(folder, caplog)
    assert {path: path.lstat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    ("module", "function", "error"),
    [
        (os, "open", errno.EROFS),
        (os, "open", errno.EMFILE),
        (os, "open", errno.ENOSPC),
        (os, "pread", errno.EIO),
        (os, "pwrite", errno.ENOSPC),
        (os, "pwrite", errno.EDQUOT),
        (fcntl, "flock", errno.ENOLCK),
        (fcntl, "flock", errno.ENOTSUP),
    ],
)
def test_a_process_continues_alone_after_an_error_of_the_system(
    folder: Path,
    module: Any,
    function: str,
    error: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(module, function, refuse)
    _check_unshared(folder, caplog)


def test_an_invalid_folder_name_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    _check_unshared(Path("/no\0name"), caplog)


def test_without_a_temporary_folder_there_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise FileNotFoundError

    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    monkeypatch.setattr(tempfile, "gettempdir", refuse)
    assert private_folder().is_absolute()


def test_nothing_is_logged_while_the_lock_is_held(folder: Path) -> None:
    limiter = RateLimiter(ReservationClock(folder, "budget"))
    list(limiter.acquire())
    other, lines = ReservationClock(folder, "budget"), []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with other.locked():
                lines.append(record.getMessage())

    handler = Handler()
    log = logging.getLogger("airflow_provider_wriftai.client.rate_limiter")
    log.addHandler(handler)
    level = log.level
    log.setLevel(logging.INFO)
    try:
        limiter.update(Response(429, {"retry-after": "30"}, b""), time.monotonic())
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
    assert lines == ["The token's request budget is used up. Waiting 30.0 s for its reset."]


def test_a_partial_write_is_detected(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: len(data) // 2)
    with pytest.raises(ClockUnavailableError, match="completely"):
        _reserve(ReservationClock(folder, "budget"), time.monotonic())


def test_sharing_is_tried_again_later(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _folder_that_is_a_file(folder)
    limiter = RateLimiter(ReservationClock(folder, "budget"))
    list(itertools.islice(limiter.acquire(), 1))
    assert limiter._unshared_until > time.monotonic()
    folder.unlink()
    limiter._unshared_until = 1e-9  # as if it were later
    list(itertools.islice(limiter.acquire(at_most=0.0), 1))
    assert (folder / "budget").stat().st_size > 0


@pytest.mark.parametrize("damage", [b"", b"WriftRL1", b"WriftRL1" + bytes(700), b"WriftRL1" + b"\xff" * 5000])
def test_a_damaged_file_is_reset(folder: Path, damage: bytes) -> None:
    clock = ReservationClock(folder, "budget")
    _teach(clock)
    (folder / "budget").write_bytes(damage)
    with clock.locked() as bucket:
        assert astuple(bucket) == astuple(BucketEstimate())
    now = _teach(clock)
    assert [_reserve(clock, now)[1] for _ in range(2)] == [now, now + 0.5]


@pytest.mark.parametrize("now", [5.0, 1e9])
def test_times_of_another_clock_are_ignored(folder: Path, now: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ReservationClock(folder, "budget")
    _teach(clock)
    with clock.locked() as bucket:
        bucket.next_slot = bucket.observed_at = 1e6
    monkeypatch.setattr(reservation_clock, "time", SimpleNamespace(monotonic=lambda: now, time=time.time))
    assert _reserve(clock, now) == (True, now)
    with clock.locked() as bucket:
        assert not bucket.interval


def test_a_removed_file_is_created_again(folder: Path) -> None:
    first, second = ReservationClock(folder, "budget"), ReservationClock(folder, "budget")
    _teach(first)
    (folder / "budget").unlink()
    now = _teach(second)
    assert [_reserve(clock, now)[1] for clock in (first, second)] == [now, now + 0.5]


def test_unused_files_are_removed(folder: Path) -> None:
    _reserve(ReservationClock(folder, "old"), time.monotonic())
    _reserve(ReservationClock(folder, "budget"), time.monotonic())
    for name in ("old", "budget"):
        os.utime(folder / name, (0, 0))
    _reserve(ReservationClock(folder, "budget"), time.monotonic())
    assert [path.name for path in folder.iterdir()] == ["budget"]


def test_a_lock_that_is_held_for_long_blocks_no_process(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    limiter = RateLimiter(ReservationClock(folder, "budget"))
    with ReservationClock(folder, "budget").locked(), caplog.at_level(logging.DEBUG, "airflow_provider_wriftai"):
        waits = list(limiter.acquire())
        assert 0 < len(waits) <= 200
        limiter.update(Response(200, {"x-ratelimit-remaining": "4"}, b""), time.monotonic())
    assert len(caplog.records) == 1


def test_a_response_that_arrives_while_the_lock_is_held_is_not_lost(folder: Path) -> None:
    limiter = RateLimiter(ReservationClock(folder, "budget"))
    list(limiter.acquire())
    with ReservationClock(folder, "budget").locked():
        limiter.update(Response(200, {"x-ratelimit-remaining": "4"}, b""), time.monotonic())
    assert limiter._bucket.available == 4


_FORKED = """
import os, sys
from pathlib import Path
from airflow_provider_wriftai.client.reservation_clock import ClockBusyError, ReservationClock
clock = ReservationClock(Path(sys.argv[1]), "budget")
with clock.locked():
    child = os.fork()
    if not child:
        try:
            with clock.locked():
                os._exit(1)
        except ClockBusyError:
            os._exit(0)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_does_not_share_the_lock(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _FORKED, str(folder)], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("step", "when"),
    [
        *itertools.product(("open", "fstat", "flock", "pread", "pwrite"), ("before", "after")),
        ("pwrite", "within"),
    ],
)
def test_a_killed_process_blocks_no_other(folder: Path, repository: Path, step: str, when: str) -> None:
    clock = ReservationClock(folder, "budget")
    now = _teach(clock)
    script = repository / "tests" / "support" / "dying_reservation.py"
    done = subprocess.run([sys.executable, str(script), str(folder), step, when], check=False)
    assert done.returncode == -signal.SIGKILL
    with clock.locked() as bucket:
        if when == "within":
            # Only the first half was written: either the checksum is wrong, or the whole change is in the first half.
            assert (astuple(bucket) == astuple(BucketEstimate())) or bucket.reserved == 1
        else:
            # At worst, the slot of the killed process is lost.
            assert bucket.reserved == (step == "pwrite" and when == "after")
            assert bucket.reserve(now)[1] in (now, now + 0.5)


def test_one_estimate_is_shared_by_real_processes(folder: Path) -> None:
    now = _teach(ReservationClock(folder, "budget"), interval=0.001)
    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from airflow_provider_wriftai.client.reservation_clock import ClockBusyError, ReservationClock\n"
        "clock, slots = ReservationClock(Path(sys.argv[1]), 'budget'), []\n"
        "while len(slots) < 50:\n"
        "    try:\n"
        "        with clock.locked() as bucket:\n"
        "            slots.append(bucket.reserve(float(sys.argv[2]))[1])\n"
        "    except ClockBusyError:\n"
        "        time.sleep(0.0005)\n"
        "print(*slots)\n"
    )
    command = [sys.executable, "-c", script, str(folder), str(now)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    slots = [float(slot) for process in processes for slot in process.communicate()[0].split()]
    # Every slot was reserved exactly once.
    assert sorted(slots) == pytest.approx([now + number * 0.001 for number in range(200)])


class Processes(RuleBasedStateMachine):
    """Several processes with a shared file, compared with one estimate in memory."""

    names = st.integers(0, 3)

    def __init__(self) -> None:
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name) / "own"
        self.clocks = [ReservationClock(self.folder, "budget") for _ in range(4)]
        self.model = BucketEstimate()
        self.now = time.monotonic()

    @initialize(interval=st.sampled_from([0.0, 0.1, 2.0]))
    def learn(self, interval: float) -> None:
        with self.clocks[0].locked() as bucket:
            for each in (bucket, self.model):
                each.interval, each.next_slot, each.observed_at = interval, self.now, self.now

    @rule(name=names)
    def reserve(self, name: int) -> None:
        assert _reserve(self.clocks[name], self.now) == self.model.reserve(self.now)

    @rule(name=names, remaining=st.integers(0, 5), refused=st.booleans(), took=st.floats(0, 1))
    def observe(self, name: int, remaining: int, refused: bool, took: float) -> None:
        reset = self.now + 0.3
        observation = Observation(
            self.now - took, self.now, refused=refused, remaining=remaining, resets_at=reset, reset=reset, limit=5
        )
        with self.clocks[name].locked() as bucket:
            bucket.observe(observation)
        self.model.observe(observation)

    @rule(seconds=st.floats(0, 3))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(name=names)
    def restart(self, name: int) -> None:
        self.clocks[name].close()
        self.clocks[name] = ReservationClock(self.folder, "budget")

    @rule(name=names)
    def die_in_the_middle(self, name: int) -> None:
        with contextlib.suppress(KeyboardInterrupt), self.clocks[name].locked() as bucket:
            bucket.reserve(self.now)
            raise KeyboardInterrupt

    @rule(name=names, other=names)
    def collide(self, name: int, other: int) -> None:
        if name != other:
            with self.clocks[name].locked(), pytest.raises(ClockBusyError), self.clocks[other].locked():
                pass

    @rule()
    def remove(self) -> None:
        (self.folder / "budget").unlink(missing_ok=True)
        self.model = BucketEstimate()

    @rule(byte=st.integers(8, 600))
    def damage(self, byte: int) -> None:
        path = self.folder / "budget"
        if path.exists():
            data = bytearray(path.read_bytes())
            data[byte] ^= 1
            path.write_bytes(data)
            self.model = BucketEstimate()

    @invariant()
    def all_see_the_same(self) -> None:
        for clock in self.clocks:
            with clock.locked() as bucket:
                assert astuple(bucket) == astuple(self.model)

    def teardown(self) -> None:
        for clock in self.clocks:
            clock.close()
        self.temporary.cleanup()


TestProcesses = Processes.TestCase
TestProcesses.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
