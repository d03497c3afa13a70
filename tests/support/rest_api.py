"""Airflow's REST API, as a user's system uses it: version 2 of it on Airflow 3, version 1 on Airflow 2."""

from __future__ import annotations

import ast
import contextlib
import json
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.polling import until
from tests.support.real_airflow import AIRFLOW_2


def until_up(url: str) -> None:
    """Ask until the web server answers.

    Args:
        url: Where it is.
    """

    def answers() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{url}/health" if AIRFLOW_2 else f"{url}/api/v2/version").status_code == 200
        return False

    until(answers, lambda: "the web server does not answer")


class RestAPI:
    """A running Airflow's REST API.

    Args:
        url: Where its web server is.
        credentials: User and password (Airflow 2); on Airflow 3 everybody is an admin in these tests.
    """

    def __init__(self, url: str, credentials: tuple[str, str] | None = None) -> None:
        if AIRFLOW_2:
            self._http = httpx.Client(base_url=f"{url}/api/v1", auth=credentials, timeout=120)
        else:
            token = httpx.get(f"{url}/auth/token").json()["access_token"]
            headers = {"authorization": f"Bearer {token}"}
            self._http = httpx.Client(base_url=f"{url}/api/v2", headers=headers, timeout=120)

    def get(self, path: str, **parameters: Any) -> Any:
        """Ask for something."""
        return self._answer(self._http.get(path, params=parameters))

    def until_there(self, dag: str) -> None:
        """Ask until a DAG is known; Airflow offers no event for it."""
        until(lambda: self._http.get(f"/dags/{dag}").status_code == 200, lambda: dag)

    def trigger(self, dag: str, **conf: Any) -> str:
        """Trigger a DAG; gives the path of the run."""
        run = {"conf": conf} if AIRFLOW_2 else {"conf": conf, "logical_date": None}
        made = self._answer(self._http.post(f"/dags/{dag}/dagRuns", json=run))
        return f"/dags/{dag}/dagRuns/{made['dag_run_id']}"

    def states(self, run: str) -> dict[str, str | None]:
        """The state of each task of a run; of mapped ones that of the last."""
        listed = self.get(f"{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in listed}

    def until(self, run: str, task: str, *states: str) -> None:
        """Ask until a task has one of the states; Airflow offers no event for it."""
        until(lambda: self.states(run)[task] in states, lambda: self.states(run))

    def mark(self, run: str, task: str, state: str) -> None:
        """Set the state of a task, as its page does."""
        change = {"dry_run": False, "new_state": state} if AIRFLOW_2 else {"new_state": state}
        self._answer(self._http.patch(f"{run}/taskInstances/{task}", json=change))

    def clear(self, run: str, task: str, *, downstream: bool = False, only_running: bool = False) -> None:
        """Clear a task of a run, as its page does."""
        dag, _, run_id = run.removeprefix("/dags/").partition("/dagRuns/")
        change = {
            "dry_run": False, "dag_run_id": run_id, "task_ids": [task], "include_downstream": downstream,
            "only_failed": False, "only_running": only_running, "reset_dag_runs": True,
        }  # fmt: skip
        self._answer(self._http.post(f"/dags/{dag}/clearTaskInstances", json=change))

    def result(self, run: str, task: str, index: int | None = None) -> Any:
        """What a task returned."""
        more = {} if index is None else {"map_index": index}
        value = self.get(f"{run}/taskInstances/{task}/xcomEntries/return_value", **more)["value"]
        # Version 1 gives it as text, as Python writes it, or as JSON.
        return _read(value) if AIRFLOW_2 else value

    def link(self, run: str, task: str) -> str | None:
        """Where a task's button leads to."""
        links = self.get(f"{run}/taskInstances/{task}/links")
        url: str | None = links.get("extra_links", links)["WriftAI"]
        return url

    def log(self, run: str, task: str) -> str:
        """What the first try of a task logged."""
        answer = self._http.get(f"{run}/taskInstances/{task}/logs/1", headers={"accept": "application/json"})
        assert answer.status_code == 200, answer.text
        return answer.text

    def events(self, uri: str) -> list[Any]:
        """The extra of each event of an asset, the oldest first."""
        kind = "dataset" if AIRFLOW_2 else "asset"
        listed = self.get(f"/{kind}s/events", order_by="timestamp")[f"{kind}_events"]
        return [event["extra"] for event in listed if event.get("uri", event.get("dataset_uri")) == uri]

    def approve(self, run: str, task: str) -> str:
        """Approve what a task asks for, as its page does; gives what it asked."""
        asked = self.get(f"{run}/taskInstances/{task}/-1/hitlDetails")
        answer = self._http.patch(f"{run}/taskInstances/{task}/-1/hitlDetails", json={"chosen_options": ["Approve"]})
        self._answer(answer)
        return f"{asked['subject']}\n{asked['body']}"

    @staticmethod
    def _answer(response: httpx.Response) -> Any:
        assert response.status_code in (200, 201), response.text
        return response.json()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()


def _read(value: Any) -> Any:
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError):
            return read(value)
    return value
