"""What is told of runs on a cluster of which something cannot be seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from argo_wire import NAMESPACE, Objects, Refusal, opened_wire
from backend_plans import one_step

from metaflow_hera.backends import Phase
from metaflow_hera.backends.argo_objects import run_status, told_if_untaken
from metaflow_hera.backends.open import open_backend
from metaflow_hera.deploy.logs import follow_logs, select
from metaflow_hera.deploy.pod_logs import PodLogs
from metaflow_hera.errors import BackendError
from metaflow_hera.settings import Settings


def test_who_may_not_read_pods_is_told_so_in_a_line_beside_all_the_others(
    embedded_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(objects: Objects, name: str, pod: str) -> list[str]:
        raise Refusal(7, 'User "ann" cannot get resource "pods/log" in API group "" in the namespace "flows"')

    monkeypatch.setattr(Objects, "log", refused)
    with opened_wire(embedded_settings) as url:
        backend = open_backend(Settings.load({"backend": "argo", "argo_server": url, "namespace": NAMESPACE}))
        backend.deploy(one_step("sys.exit(3)"))
        run = backend.trigger("onestep", {})
        *_, status = backend.watch(run)
        lines = [text for _, text in PodLogs(backend, run).lines(status, [])]
    assert len(lines) == 2
    assert "lacks the verb 'get' on 'pods/log'" in lines[0]
    assert lines[1].startswith("main: Error (exit code 3)")


@pytest.mark.parametrize(
    ("printed", "is_told"),
    [
        ("metaflow_hera: cannot read data/ab/cd in s3://bucket/flows: Unable to locate credentials", True),
        (
            "metaflow_hera: cannot read data/ab/cd in s3://bucket: An error occurred (InvalidAccessKeyId) when calling "
            "the GetObject operation: the key does not exist",
            True,
        ),
        ("metaflow_hera: cannot read data/ab/cd in s3://bucket: An error occurred (NoSuchKey)", False),
        ("Unable to locate credentials", False),
    ],
)
def test_a_container_that_the_bucket_does_not_let_in_is_told_with_the_setting_that_gives_it_credentials(
    printed: str, is_told: bool, embedded_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Objects, "log", lambda objects, name, pod: [printed] * 5)
    with opened_wire(embedded_settings) as url:
        backend = open_backend(Settings.load({"backend": "argo", "argo_server": url, "namespace": NAMESPACE}))
        backend.deploy(one_step("sys.exit(1)"))
        *_, status = backend.watch(run := backend.trigger("onestep", {}))
        *lines, last = [text for _, text in PodLogs(backend, run).lines(status, [])]
    assert lines == [printed] * 5
    assert last.startswith("main: Error (exit code 1)")
    assert ("the setting pod-secrets (MFHERA_POD_SECRETS)" in last) is is_told


@pytest.mark.parametrize(
    ("age", "phase", "told"),
    [
        (31, "", "no controller has taken it up; does one watch here?"),
        (29, "", ""),
        (31, "Pending", ""),
        (31, "Running", ""),
    ],
)
def test_a_run_that_nobody_takes_up_says_so_after_a_while(age: int, phase: str, told: str) -> None:
    created = datetime(2026, 1, 1, tzinfo=UTC)
    started = {"startedAt": "2026-01-01T00:00:01Z", "phase": phase} if phase else {}
    workflow = {
        "metadata": {"name": "wf-1", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {},
        "status": started,
    }
    status = told_if_untaken(run_status(workflow), created + timedelta(seconds=age), "here")
    assert status.message == told
    assert status.phase is Phase(phase or "Pending")


def test_who_follows_the_logs_of_a_run_that_nobody_takes_up_is_told_what_they_wait_for(
    embedded_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    born = [datetime.now(UTC)]

    def as_if_there_were_no_controller(objects: Objects, workflow: dict[str, Any]) -> None:
        workflow["metadata"]["creationTimestamp"] = born[-1].isoformat()

    def has_ended() -> bool:
        born.append(born[0] - timedelta(minutes=len(born)))
        return len(born) > 3

    told: list[str] = []
    monkeypatch.setattr(Objects, "_start", lambda objects, workflow: None)
    monkeypatch.setattr(Objects, "_observe", as_if_there_were_no_controller)
    with opened_wire(embedded_settings) as url:
        settings = Settings.load({"backend": "argo", "argo_server": url, "namespace": NAMESPACE})
        backend = open_backend(settings)
        backend.deploy(one_step(""))
        selection = select(run := backend.trigger("onestep", {}), settings)
        assert list(follow_logs(selection, settings, has_ended, told.append)) == []
    assert told[0] == f"run {run} waits to begin"
    assert len(told) == 2
    assert told[1].startswith(f"run {run} waits to begin: no controller has taken it up; does one watch namespace")


def test_what_a_run_runs_is_not_known_before_the_controller_has_taken_it_up(
    embedded_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Objects, "_start", lambda objects, workflow: None)  # as if there were no controller
    monkeypatch.setattr(Objects, "_observe", lambda objects, workflow: None)
    with opened_wire(embedded_settings) as url:
        backend = open_backend(Settings.load({"backend": "argo", "argo_server": url, "namespace": NAMESPACE}))
        backend.deploy(one_step(""))
        run = backend.trigger("onestep", {})
        with pytest.raises(BackendError, match=f"has not taken up run {run}, so what it runs is not known yet"):
            backend.plan(run)
