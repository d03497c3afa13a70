"""How somebody marked a task, and whether Airflow has replaced its try."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wriftai._airflow import task_marks
from airflow_provider_wriftai._airflow.task_marks import find_mark, was_replaced
from tests.support.marked_task_instance import APIServerError, MarkedTaskInstance, TaskStateStore


def _context(state: str | Exception = "success", error: Exception | None = None) -> Any:
    return {"ti": MarkedTaskInstance(state), "task_state_store": TaskStateStore(error)}


@pytest.fixture
def _airflow_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_marks, "find_last_try", lambda ti: None)


@pytest.mark.usefixtures("_airflow_3")
class TestAirflow3:
    @pytest.mark.parametrize("state", ["success", "failed"])
    def test_the_state_of_a_marked_task_is_its_mark(self, state: str) -> None:
        assert find_mark(_context(state)) == state

    @pytest.mark.parametrize("state", ["running", "restarting", LookupError("no answer")])
    def test_a_task_that_was_stopped_otherwise_has_no_mark(self, state: str | Exception) -> None:
        assert find_mark(_context(state)) is None

    @pytest.mark.parametrize("status", [404, 410])
    def test_the_state_of_a_later_try_is_no_mark(self, status: int) -> None:
        context = _context("success", APIServerError(status))
        assert was_replaced(context)
        assert find_mark(context) is None

    @pytest.mark.parametrize("error", [APIServerError(500), APIServerError(None), OSError("no answer")])
    def test_a_try_was_not_replaced_if_that_is_unknown(self, error: Exception) -> None:
        assert not was_replaced(_context("success", error))

    def test_a_try_without_a_state_store_cannot_find_out(self) -> None:
        context: Any = {"ti": MarkedTaskInstance("success")}
        assert not was_replaced(context)
        assert find_mark(context) == "success"


@pytest.mark.parametrize(
    ("last", "replaced"),
    [
        ((1, "running"), False),
        ((2, "success"), True),
        # Airflow 2 takes the end of an earlier try for that of the task.
        ((2, "running"), False),
        ((2, "failed"), False),
        (LookupError("no table"), False),
    ],
)
def test_on_airflow_2_a_try_was_replaced_if_a_later_one_has_succeeded(
    last: tuple[int, str] | Exception, replaced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_last_try(ti: Any) -> tuple[int, str]:
        if isinstance(last, Exception):
            raise last
        return last

    monkeypatch.setattr(task_marks, "find_last_try", find_last_try)
    assert was_replaced(_context()) == replaced
