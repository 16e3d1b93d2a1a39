"""How runs end on a real Argo: what is recorded, who is called and told, and what is left of the Workflow."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from metaflow_hera import Run, namespace
from metaflow_hera.records import runs
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store

FLOWS = Path(__file__).parent / "flows"


@pytest.fixture(autouse=True)
def everything_is_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFHERA_BACKEND", "kubernetes")
    namespace(None)


def mfhera(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "metaflow_hera", *words], capture_output=True, text=True, timeout=120)


def exit_log(workflow: str) -> str:
    done = mfhera("logs", f"EndingFlow/argo-{workflow}", "--exit")
    assert done.returncode == 0, done.stderr
    return done.stdout


def end_of(workflow: str, flow: str = "EndingFlow") -> runs.EndRecord:
    settings = Settings.load()
    end = runs.read_end(open_store(settings.datastore, settings), flow, f"argo-{workflow}")
    assert end is not None
    return end


def running_pod(cluster: Any, workflow: str, part: str) -> Callable[[], bool]:
    return lambda: any(
        part in pod["metadata"]["name"] and pod["status"]["phase"] == "Running" for pod in cluster.pods(workflow)
    )


@pytest.fixture(scope="module")
def ending(module_cluster: Any) -> Iterator[tuple[Any, str]]:
    yield module_cluster, module_cluster.compile(FLOWS / "ending.py", "failure-ends")


def test_hooks_are_called_after_success_and_a_broken_one_changes_nothing(ending: tuple[Any, str]) -> None:
    cluster, template = ending
    workflow = cluster.submit(template)

    assert cluster.wait(workflow) == "Succeeded"

    run = Run(f"EndingFlow/argo-{workflow}")
    assert run.successful
    log = exit_log(workflow)
    assert log.count(f"well EndingFlow/argo-{workflow} True well\n") == 1
    assert "ValueError: the hook broke" in log
    assert "the exit hook breaking failed; the run stays as it is" in log
    assert log.count("elsewhere True http") == 1
    assert "badly" not in log


def test_hooks_are_called_after_a_failure_and_again_when_the_run_ends_anew(
    ending: tuple[Any, str], argo: Callable[..., str]
) -> None:
    cluster, template = ending
    workflow = cluster.submit(template, how="fails")
    assert cluster.wait(workflow) == "Failed"
    assert end_of(workflow).message == "step 'start', task 0: OSError: the step broke"
    assert exit_log(workflow).count(f"badly EndingFlow/argo-{workflow} True False\n") == 1

    argo("retry", workflow)
    time.sleep(3)
    assert cluster.wait(workflow) == "Failed"

    log = exit_log(workflow)
    assert log.count("badly ") == 2
    assert log.count("elsewhere False ") == 2


def test_hooks_are_called_after_a_stop(ending: tuple[Any, str], argo: Callable[..., str]) -> None:
    cluster, template = ending
    workflow = cluster.submit(template, how="sleeps")
    cluster.wait(workflow, until=running_pod(cluster, workflow, "start"))
    time.sleep(3)

    argo("stop", workflow)
    assert cluster.wait(workflow) == "Failed"

    assert end_of(workflow).status == "Failed"
    assert exit_log(workflow).count("badly ") == 1


def test_a_step_that_uses_more_memory_than_it_may_is_recorded_as_such(ending: tuple[Any, str]) -> None:
    cluster, template = ending
    workflow = cluster.submit(template, how="eats")

    assert cluster.wait(workflow) == "Failed"

    assert "killed by SIGKILL: it may have used more memory than there is" in end_of(workflow).message
    assert exit_log(workflow).count("badly ") == 1


def test_an_exit_pod_that_is_killed_comes_again_and_calls_nothing_twice(ending: tuple[Any, str]) -> None:
    cluster, template = ending
    workflow = cluster.submit(template, how="is-killed")
    cluster.wait(workflow, until=running_pod(cluster, workflow, "-exit-"))
    for pod in cluster.pods(workflow):
        if "-exit-" in pod["metadata"]["name"]:
            subprocess.run(["kubectl", "delete", "pod", pod["metadata"]["name"], "--force"], capture_output=True)

    assert cluster.wait(workflow) == "Failed"

    assert "was killed by SIGKILL" in end_of(workflow).message
    log = exit_log(workflow)
    assert log.count("badly ") + log.count("the exit hook badly was called before") >= 1
    assert log.count("badly EndingFlow") <= 1
    assert log.count("elsewhere False ") == 1


def test_an_image_that_does_not_exist_keeps_neither_the_run_from_its_end_nor_its_end_from_being_recorded(
    module_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MFHERA_IMAGE", "localhost:1/no-such-image:1")
    template = module_cluster.compile(FLOWS / "sleeping.py", "failure-image", "--workflow-timeout", "20")
    workflow = module_cluster.submit(template)

    def is_over() -> bool:
        nodes = module_cluster.workflow(workflow).get("status", {}).get("nodes", {}).values()
        return any(".onExit" in node["name"] and node["type"] == "Pod" for node in nodes)

    module_cluster.wait(workflow, until=is_over)
    for pod in module_cluster.pods(workflow):
        if "-exit-" in pod["metadata"]["name"]:
            assert pod["spec"]["activeDeadlineSeconds"] == 3600


def test_a_run_that_takes_too_long_fails_and_says_so(ending: tuple[Any, str]) -> None:
    cluster, _ = ending
    template = cluster.compile(FLOWS / "ending.py", "failure-late", "--workflow-timeout", "25")
    workflow = cluster.submit(template, how="sleeps")

    assert cluster.wait(workflow) == "Failed"

    assert end_of(workflow).status == "Failed"
    assert exit_log(workflow).count("badly ") == 1


class _Told(BaseHTTPRequestHandler):
    posts: list[tuple[str, dict[str, Any]]]

    def do_POST(self) -> None:
        self.posts.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def service() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    handler = type("Told", (_Told,), {"posts": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.posts
    finally:
        server.shutdown()
        server.server_close()


def test_people_are_told_of_a_failure_and_no_object_has_the_secret(module_cluster: Any) -> None:
    name = f"failure-channels-{module_cluster.suffix}"
    with service() as (url, posts):
        secret = f"{url}/services/T0/planted-secret"
        literal = f"--from-literal=MFHERA_SLACK_WEBHOOK_URL={secret}"
        made = subprocess.run(
            ["kubectl", "--context", "admin", "create", "secret", "generic", name, literal], capture_output=True
        )
        if made.returncode:
            pytest.skip("nobody here may create Secrets")
        try:
            options = ("--notify-on-error", "--notify-secret", name, "--workflow-priority", "7", "--ttl", "600")
            template = module_cluster.compile(FLOWS / "ending.py", "failure-told", *options)
            workflow = module_cluster.submit(template, how="fails")
            assert module_cluster.wait(workflow) == "Failed"
        finally:
            subprocess.run(["kubectl", "--context", "admin", "delete", "secret", name], capture_output=True)
    assert [path for path, _ in posts] == ["/services/T0/planted-secret"]
    assert "OSError: the step broke" in posts[0][1]["blocks"][0]["text"]["text"]
    written = module_cluster.workflow(workflow)
    stored = written["status"]["storedWorkflowTemplateSpec"]
    assert (stored["priority"], stored["ttlStrategy"]) == (7, {"secondsAfterCompletion": 600})
    pods = json.dumps(module_cluster.pods(workflow))
    assert "planted-secret" not in json.dumps(written) + pods + exit_log(workflow)


def test_a_workflow_goes_after_its_time_and_its_pods_before_and_the_run_stays(module_cluster: Any) -> None:
    options = ("--ttl", "12", "--pod-gc", "OnPodCompletion")
    template = module_cluster.compile(FLOWS / "ending.py", "failure-ttl", *options)
    workflow = module_cluster.submit(template)
    assert module_cluster.wait(workflow) == "Succeeded"

    deadline = time.monotonic() + 120
    pods_gone = False
    while time.monotonic() < deadline:
        there = subprocess.run(["kubectl", "get", "workflow", workflow], capture_output=True).returncode == 0
        pods_gone = pods_gone or (there and not module_cluster.pods(workflow))
        if not there:
            break
        time.sleep(1)
    else:
        raise AssertionError("the workflow is still there")

    assert pods_gone
    status = json.loads(mfhera("status", f"EndingFlow/argo-{workflow}", "--json").stdout)
    assert status["phase"] == "Succeeded"
    assert exit_log(workflow).count("well EndingFlow") == 1


def test_the_next_look_at_a_run_whose_workflow_was_deleted_writes_its_end(module_cluster: Any) -> None:
    template = module_cluster.compile(FLOWS / "sleeping.py", "failure-gone")
    workflow = module_cluster.submit(template)
    module_cluster.wait(workflow, until=running_pod(module_cluster, workflow, "start"))
    target = f"SleepingFlow/argo-{workflow}"
    while "asleep" not in mfhera("logs", target).stdout:
        time.sleep(1)
    pods = [pod["metadata"]["name"] for pod in module_cluster.pods(workflow)]

    for words in (("workflow", workflow, "--cascade=orphan"), ("pod", *pods, "--force", "--grace-period=0")):
        subprocess.run(["kubectl", "--context", "admin", "delete", *words], capture_output=True, check=True)
    time.sleep(5)
    settings = Settings.load()
    # The task got SIGTERM and wrote the end: as if its node had gone down instead.
    runs.reopen(open_store(settings.datastore, settings), "SleepingFlow", f"argo-{workflow}")

    found = json.loads(mfhera("status", target, "--json").stdout)
    assert found["phase"] == "Failed"
    assert "its Workflow was deleted before its end was written" in end_of(workflow, "SleepingFlow").message
