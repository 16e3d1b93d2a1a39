"""Every shape and every example, three ways to run it: here, on the embedded engine, and on a real Argo.

All leave the same artifacts, and come to them by the same attempts, which end alike.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from run_artifacts import Artifacts, artifacts

from metaflow_hera import Run, compat, deploy, namespace, run
from metaflow_hera.argo.manifest import manifests
from metaflow_hera.backends.embedded import stop_engine
from metaflow_hera.backends.kubernetes_api import KubernetesApi
from metaflow_hera.backends.one_off import one_off_workflow
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.compilation import compile_flow
from metaflow_hera.deploy.source import check_flow
from metaflow_hera.deploy.triggered import TriggeredRun
from metaflow_hera.deployment_names import deployment_name
from metaflow_hera.errors import BackendError
from metaflow_hera.flow.load import load_flow
from metaflow_hera.settings import Settings

pytestmark = pytest.mark.timeout(1800)

TESTS = Path(__file__).parents[1]
FLOWS = [
    *sorted((TESTS / "flows").glob("*_flow.py")),
    # But for the one that reads the run of another.
    *sorted(set((TESTS.parent / "examples").glob("*/*flow.py")) - {TESTS.parent / "examples/events/report_flow.py"}),
    TESTS / "cluster/flows/failing_items.py",
]
EXAMPLES = (TESTS.parent / "examples").glob("*/*flow.py")
DEPLOYED = sorted({*FLOWS, *EXAMPLES, *(TESTS / "cluster/flows").glob("*.py")})
"""What can be deployed, whether or not it runs alone."""

EVENTS = {"event_source": "webhook", "event_name": "metaflow", "sensor_service_account": "sensor"}
"""Settings, for flows that wait for events; where those are published is no matter here."""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are seen whatever their namespace; `metaflow` is this package."""
    namespace(None)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    compat.install()


def name_of(flow: Path, suffix: str) -> str | None:
    """A name of this test's own; a flow of a project has that of its branch."""
    if "@project" in flow.read_text():
        return None
    return f"{deployment_name(load_flow(flow).__name__)[:30].rstrip('-.')}-{suffix}"


def triggered(flow: Path, suffix: str, settings: Settings) -> TriggeredRun:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(flow.parent))
        return deploy(flow, name=name_of(flow, suffix), settings=settings).trigger()


AHEAD = 5
"""How many runs are on the cluster before they are looked at: most of their time is the controller's."""


class There:
    """The runs of flows on the cluster."""

    def __init__(self, flows: list[Path], cluster: Any) -> None:
        self._flows = flows
        self._cluster = cluster
        self._runs: dict[Path, TriggeredRun] = {}

    def of(self, flow: Path) -> TriggeredRun:
        """That of a flow; those of the next ones are triggered, too."""
        settings = Settings.load({"backend": "kubernetes", **EVENTS})
        for ahead in self._flows[: self._flows.index(flow) + AHEAD]:
            if ahead not in self._runs:
                self._runs[ahead] = triggered(ahead, self._cluster.suffix, settings)
                self._cluster.applied.append(self._runs[ahead].name)
        return self._runs[flow]


@pytest.fixture(scope="module")
def there(module_cluster: Any, request: pytest.FixtureRequest) -> There:
    under_test = (item for item in request.session.items if item.path == Path(__file__))
    return There([item.callspec.params["flow"] for item in under_test if "there" in item.fixturenames], module_cluster)


@dataclass(frozen=True)
class Left:
    """What a run left."""

    successful: bool
    artifacts: Artifacts
    """Of a run that succeeded."""
    attempts: Mapping[str, list[tuple[bool, str]]]
    """For each task, whether each attempt succeeded, and what it raised if not."""


def left_by(run: Run) -> Left:
    attempts = {
        f"{step.id}/{task.id}": [
            (each.successful, each.exception.type if each.exception else "") for each in task.attempts
        ]
        for step in run
        for task in step
    }
    successful = run.successful
    return Left(successful=successful, artifacts=artifacts(run) if successful else {}, attempts=attempts)


def tasks_of(triggered: TriggeredRun) -> dict[str, tuple[str, int]]:
    """How each task ended, and in how many attempts, by what the backend itself tells."""
    return {f"{node.step}/{node.path}": (str(node.phase), node.attempts) for node in triggered.details.nodes}


@pytest.mark.parametrize("flow", FLOWS, ids=lambda path: path.stem)
def test_a_flow_does_the_same_here_on_the_embedded_engine_and_on_argo(
    flow: Path, there: There, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(flow.parent))
    run_there = there.of(flow)
    own = {"datastore": str(tmp_path / "store"), "data_dir": str(tmp_path / "data"), "backend": "embedded"}
    settings = replace(Settings.load(own), pod_secrets="")
    here = left_by(run(flow, settings=settings, check=False))
    on_engine = triggered(flow, "here", settings)
    embedded = left_by(on_engine.wait(timeout=240, check=False))
    nodes = tasks_of(on_engine)
    stop_engine(settings)

    on_argo = left_by(run_there.wait(timeout=1500, check=False))

    assert here.attempts
    assert embedded == here
    assert on_argo == here
    assert tasks_of(run_there) == nodes
    assert run_there.status == on_engine.status


@pytest.mark.parametrize("flow", DEPLOYED, ids=lambda path: path.stem)
def test_the_server_takes_the_manifests_of_every_flow(
    flow: Path, module_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(flow.parent))
    settings = Settings.load({"backend": "kubernetes", "events_url": "http://127.0.0.1:1/metaflow", **EVENTS})
    plan = compile_flow(check_flow(flow), Choices(), settings).plan
    api = KubernetesApi(settings)
    documents = [*manifests(plan), one_off_workflow(plan, {each.name: each.value or "" for each in plan.parameters})]
    for document in documents:
        api.check({**document, "metadata": {**document["metadata"], "namespace": api.namespace}})


def test_the_server_says_what_it_does_not_take(module_cluster: Any) -> None:
    """So the test above can fail."""
    settings = Settings.load({"backend": "kubernetes"})
    [document, *_] = manifests(compile_flow(check_flow(TESTS / "flows/linear_flow.py"), Choices(), settings).plan)
    document["spec"]["templates"][0]["dag"]["tasks"][0]["name"] = "not_a_name!"
    with pytest.raises(BackendError, match="tasks"):
        KubernetesApi(settings).check(document)
