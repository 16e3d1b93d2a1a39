"""A run that failed in the middle of a foreach goes on in a new Workflow: pods for what is missing, and no others."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from metaflow_hera import Run, deploy, namespace, resume
from metaflow_hera.backends.open import open_backend
from metaflow_hera.deploy.deployed_flows import deployed
from metaflow_hera.deploy.triggered import TriggeredRun
from metaflow_hera.errors import NotDeployedError
from metaflow_hera.settings import Settings

pytestmark = pytest.mark.timeout(1200)

HALF = Path(__file__).parent / "flows/half.py"
ECHO = Path(__file__).parent / "flows/echo.py"
HOSTILE = "{{workflow.name}} {{=1+1}} $(HOME) 'ü'"


@pytest.fixture(autouse=True)
def everything_is_visible() -> None:
    namespace(None)


@pytest.fixture(scope="module")
def origin(module_cluster: Any) -> Iterator[TriggeredRun]:
    """A run of a deployment that failed, and is not deployed any more."""
    name, settings = f"half-{module_cluster.suffix}", Settings.load({"backend": "kubernetes"})
    module_cluster.applied.append(name)
    triggered = deploy(HALF, name=name, settings=settings).trigger()
    triggered.wait(timeout=900, check=False)
    deployed(name, settings).delete()
    yield triggered


def ran(resumed: Run) -> set[str]:
    return {f"{step.id}/{task.id}" for step in resumed for task in step if not task.record.origin}


def pods_of(run_id: str) -> set[str]:
    """The tasks that got a pod, by what the controller says."""
    backend = open_backend(Settings.load({"backend": "kubernetes"}))
    return {f"{node.step}/{node.path}" for node in backend.run(run_id).nodes}


MISSING = {"prepare/3", "work/3", "work/9", "work/10", "join/0", "end/0"}
FOUND_DONE = {"prepare/9", "prepare/10"}
"""Tasks of items that are half done: their pods start, and find that there is nothing to do."""


def check(resumed: Run, origin: TriggeredRun) -> None:
    assert resumed.successful
    assert resumed.data.values == [2 * item for item in range(20)]
    assert [index for index, of in enumerate(resumed.data.origins) if of] == [3, 9, 10]
    assert set(filter(None, resumed.data.origins)) == {origin.run_id}
    assert resumed.data.text == HOSTILE
    assert ran(resumed) == MISSING
    assert pods_of(resumed.id) == MISSING | FOUND_DONE
    assert resumed.origin_pathspec == origin.pathspec


def test_a_run_goes_on_with_the_code_that_it_had(origin: TriggeredRun, module_cluster: Any) -> None:
    assert not Run(origin.pathspec).successful
    new = origin.resume()
    check(new.wait(timeout=900), origin)
    assert new.details.parameters == {"text": HOSTILE}
    workflow = module_cluster.workflow(new.run_id.removeprefix("argo-"))
    assert "workflowTemplateRef" not in workflow["spec"]

    again = new.resume("join").wait(timeout=900)

    assert ran(again) == pods_of(again.id) == {"join/0", "end/0"}
    assert again.data.values == [2 * item for item in range(20)]


def test_a_run_goes_on_with_the_code_of_today(origin: TriggeredRun, module_cluster: Any) -> None:
    resumed = resume(HALF, origin_run_id=origin.run_id, backend="kubernetes", check=False)
    module_cluster.applied.append(resumed.id.removeprefix("argo-"))
    check(resumed, origin)


def test_a_flow_runs_once_with_values_as_hostile_as_any_and_is_not_deployed(module_cluster: Any) -> None:
    text = f"{HOSTILE}\n{{{{ $(HOME)"
    words = ["run", ECHO, "--backend", "kubernetes", "--text", text, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "metaflow_hera", *map(str, words)], capture_output=True, text=True, timeout=900
    )
    facts: dict[str, Any] = json.loads(done.stdout)
    module_cluster.applied.append(facts["run"].removeprefix("argo-"))
    assert (done.returncode, facts["phase"]) == (0, "Succeeded"), done.stderr
    assert f"[end/0] {text!r}" in done.stderr
    once = Run(f"EchoFlow/{facts['run']}")
    assert (once.data.text, once.data.empty) == (text, "something")
    assert module_cluster.workflow(facts["run"].removeprefix("argo-"))["spec"].get("arguments", {}) == {}
    with pytest.raises(NotDeployedError):
        deployed("echoflow", Settings.load({"backend": "kubernetes"}))
