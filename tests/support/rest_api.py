"""A client of Airflow's REST API: version 2 on Airflow 3, version 1 on Airflow 2."""

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
    """Poll until the web server at a URL responds."""

    def responds() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{url}/health" if AIRFLOW_2 else f"{url}/api/v2/version").status_code == 200
        return False

    until(responds, lambda: "the web server does not respond")


class RestAPI:
    """The REST API of a running Airflow.

    Args:
        url: The URL of the web server.
        credentials: User name and password (Airflow 2). On Airflow 3, every user of these tests is an admin.
    """

    def __init__(self, url: str, credentials: tuple[str, str] | None = None) -> None:
        if AIRFLOW_2:
            self._http = httpx.Client(base_url=f"{url}/api/v1", auth=credentials, timeout=120)
        else:
            token = httpx.get(f"{url}/auth/token").json()["access_token"]
            headers = {"authorization": f"Bearer {token}"}
            self._http = httpx.Client(base_url=f"{url}/api/v2", headers=headers, timeout=120)

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the body of the response to a GET request."""
        return self._parse(self._http.get(path, params=parameters))

    def until_dag_exists(self, dag: str) -> None:
        """Poll until Airflow has parsed a DAG."""
        until(lambda: self._http.get(f"/dags/{dag}").status_code == 200, lambda: dag)

    def trigger(self, dag: str, **conf: Any) -> str:
        """Trigger a DAG and return the path of the run."""
        run = {"conf": conf} if AIRFLOW_2 else {"conf": conf, "logical_date": None}
        created = self._parse(self._http.post(f"/dags/{dag}/dagRuns", json=run))
        return f"/dags/{dag}/dagRuns/{created['dag_run_id']}"

    def states(self, run: str) -> dict[str, str | None]:
        """Return the state of each task of a run; for a mapped task, the state of its last instance."""
        instances = self.get(f"{run}/taskInstances")["task_instances"]
        return {instance["task_id"]: instance["state"] for instance in instances}

    def until(self, run: str, task: str, *states: str) -> None:
        """Poll until a task has one of the states."""
        until(lambda: self.states(run)[task] in states, lambda: self.states(run))

    def mark(self, run: str, task: str, state: str) -> None:
        """Set the state of a task, as the UI does."""
        change = {"dry_run": False, "new_state": state} if AIRFLOW_2 else {"new_state": state}
        self._parse(self._http.patch(f"{run}/taskInstances/{task}", json=change))

    def clear(self, run: str, task: str, *, downstream: bool = False, only_running: bool = False) -> None:
        """Clear a task of a run, as the UI does."""
        dag, _, run_id = run.removeprefix("/dags/").partition("/dagRuns/")
        change = {
            "dry_run": False, "dag_run_id": run_id, "task_ids": [task], "include_downstream": downstream,
            "only_failed": False, "only_running": only_running, "reset_dag_runs": True,
        }  # fmt: skip
        self._parse(self._http.post(f"/dags/{dag}/clearTaskInstances", json=change))

    def result(self, run: str, task: str, index: int | None = None) -> Any:
        """Return the result of a task."""
        more = {} if index is None else {"map_index": index}
        value = self.get(f"{run}/taskInstances/{task}/xcomEntries/return_value", **more)["value"]
        # Version 1 returns it as text: the repr of the value, or JSON.
        return _parse_text(value) if AIRFLOW_2 else value

    def link(self, run: str, task: str) -> str | None:
        """Return the URL of a task's extra link."""
        links = self.get(f"{run}/taskInstances/{task}/links")
        url: str | None = links.get("extra_links", links)["WriftAI"]
        return url

    def log(self, run: str, task: str) -> str:
        """Return the log of a task's first try."""
        response = self._http.get(f"{run}/taskInstances/{task}/logs/1", headers={"accept": "application/json"})
        assert response.status_code == 200, response.text
        return response.text

    def events(self, uri: str) -> list[Any]:
        """Return the extra of each event of an asset, the oldest first."""
        kind = "dataset" if AIRFLOW_2 else "asset"
        events = self.get(f"/{kind}s/events", order_by="timestamp")[f"{kind}_events"]
        return [event["extra"] for event in events if event.get("uri", event.get("dataset_uri")) == uri]

    def approve(self, run: str, task: str) -> str:
        """Approve the request of a human-in-the-loop task, as the UI does, and return the request's text."""
        path = f"{run}/taskInstances/{task}/-1/hitlDetails"
        details = self.get(path)
        self._parse(self._http.patch(path, json={"chosen_options": ["Approve"]}))
        return f"{details['subject']}\n{details['body']}"

    @staticmethod
    def _parse(response: httpx.Response) -> Any:
        assert response.status_code in (200, 201), response.text
        return response.json()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()


def _parse_text(value: Any) -> Any:
    for parse in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError):
            return parse(value)
    return value
