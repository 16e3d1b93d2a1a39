"""What has the name of a deployment or run on a cluster, but was made by somebody else, or another version of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from argo_wire import Objects
from backend_plans import FLOW, one_step
from real_servers import ARGO_SERVER

from metaflow_hera.argo.manifest import manifests
from metaflow_hera.backends import Action, Backend, Phase
from metaflow_hera.backends.api import ArgoApi
from metaflow_hera.backends.argo_server_api import ArgoServerApi
from metaflow_hera.backends.kubernetes_api import KubernetesApi
from metaflow_hera.backends.open import open_backend
from metaflow_hera.cli.deployments import list_command
from metaflow_hera.cli.tag import add
from metaflow_hera.deploy.controls import control
from metaflow_hera.deploy.deployed_flows import deployed, deployed_by_any_version, deployments
from metaflow_hera.deploy.logs import select
from metaflow_hera.deploy.resume_there import resume_deployed
from metaflow_hera.deploy.rights import Rights, deployed_as
from metaflow_hera.deploy.runs import list_runs, status
from metaflow_hera.deploy.triggered import TriggeredRun
from metaflow_hera.errors import (
    BackendError,
    ForeignDeploymentError,
    ForeignRunError,
    NotDeployedError,
    ProductionTokenError,
)
from metaflow_hera.labels import Annotations
from metaflow_hera.records import runs
from metaflow_hera.records.run import RunRecord
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store

NAME = "somebodys"
METAFLOWS = {"app.kubernetes.io/part-of": "metaflow", "app.kubernetes.io/name": "metaflow-run"}


def template(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": NAME, **metadata},
        "spec": {"entrypoint": "x", "templates": [{"name": "x", "suspend": {}}]},
    }


@pytest.mark.parametrize("annotations", [{}, {"metaflow/owner": "ann", "metaflow/production_token": NAME}])
def test_a_template_of_somebody_else_is_no_deployment_of_ours(
    argo_settings: Settings, annotations: dict[str, str]
) -> None:
    api, backend = ArgoServerApi(argo_settings), open_backend(argo_settings)
    api.create(template(annotations=annotations))
    try:
        before = api.get("WorkflowTemplate", NAME)
        acts = (
            lambda: backend.deployment(NAME),
            lambda: backend.delete(NAME),
            lambda: backend.trigger(NAME, {}),
            lambda: deployed(NAME, argo_settings),
            lambda: deployed_by_any_version(NAME, argo_settings),
        )
        for act in acts:
            with pytest.raises(ForeignDeploymentError) as raised:
                act()
            assert f"there is a WorkflowTemplate '{NAME}' in namespace" in str(raised.value)
            assert f"none of ours; whoever made it can remove it with: kubectl -n {api.namespace} delete" in str(
                raised.value
            )
            assert "mfhera" not in str(raised.value).replace(api.place, "")
        assert deployed_as(NAME, backend) is None, "so nobody's rights are asked for, and deploying says the rest"
        with pytest.raises(BackendError, match="none of ours; choose another name with --name"):
            backend.deploy(one_step("", NAME))
        assert NAME not in [each.name for each in backend.deployments()]
        assert api.get("WorkflowTemplate", NAME) == before
    finally:
        api.delete("WorkflowTemplate", NAME)


def test_where_nothing_is_deployed_is_the_cluster_that_was_asked(
    argo_settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MFHERA_ARGO_SERVER", argo_settings.argo_server)
    monkeypatch.setenv("MFHERA_NAMESPACE", "empty-for-tests" if argo_settings.namespace != "wire" else "wire")
    list_command.main(["--backend", "argo"], standalone_mode=False)
    told = capsys.readouterr().err
    assert "nothing is deployed in namespace '" in told
    assert f"of the Argo Server {argo_settings.argo_server}; deploy a flow with" in told
    assert ".mfhera" not in told


def test_what_is_deployed_is_listed_with_when_that_was_done(
    argo_settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = one_step("", NAME)
    stamp = {Annotations.DEPLOYED_AT: "2031-05-06T12:00:00+00:00"}
    open_backend(argo_settings).deploy(replace(plan, annotations={**plan.annotations, **stamp}))
    monkeypatch.setenv("MFHERA_ARGO_SERVER", argo_settings.argo_server)
    monkeypatch.setenv("MFHERA_NAMESPACE", argo_settings.namespace or "")
    list_command.main(["--backend", "argo", NAME], standalone_mode=False)
    assert "2031-05-06" in capsys.readouterr().out, "the template itself was made today"
    open_backend(argo_settings).delete(NAME)


of_the_wire = pytest.mark.skipif(bool(ARGO_SERVER), reason="a real server knows what it takes, and its controller acts")


@of_the_wire
def test_what_another_version_of_ours_wrote_is_deleted_by_its_owner(argo_settings: Settings) -> None:
    (document,) = manifests(one_step("", NAME))
    document["metadata"]["annotations"][Annotations.DEPLOYER] = argo_settings.user
    document["spec"]["unheardOf"] = {"entrypoint": "x"}
    document["spec"]["templates"].append({"name": "new", "unheardOf": {}})
    api = ArgoServerApi(argo_settings)
    api.create(document)
    with pytest.raises(BackendError, match=f"another version of metaflow-hera.*mfhera delete {NAME}"):
        deployed(NAME, argo_settings)
    others = Settings.load(
        {
            "user": "somebodyelse",
            "backend": "argo",
            "argo_server": argo_settings.argo_server,
            "namespace": argo_settings.namespace,
        }
    )
    with pytest.raises(ProductionTokenError, match="deleting it"):
        deployed_by_any_version(NAME, others).delete()
    assert NAME in [each.name for each in deployments(argo_settings)]
    assert deployed_by_any_version(NAME, argo_settings).delete()
    assert api.get("WorkflowTemplate", NAME) is None
    with pytest.raises(NotDeployedError):
        deployed_by_any_version(NAME, argo_settings)


def test_a_template_of_metaflow_is_told_with_the_command_that_removes_it(argo_settings: Settings) -> None:
    api, backend = ArgoServerApi(argo_settings), open_backend(argo_settings)
    api.create(template(labels=METAFLOWS))
    told = "that Metaflow made, and that is none of ours; delete it with Metaflow's own command, `python flow.py argo-"
    try:
        with pytest.raises(ForeignDeploymentError, match=told):
            backend.delete(NAME)
        with pytest.raises(BackendError, match=f"{told}workflows delete`, or choose another name with --name"):
            backend.deploy(one_step("", NAME))
    finally:
        api.delete("WorkflowTemplate", NAME)


@dataclass(frozen=True)
class Cluster:
    """A backend, and the API below it, by which others make what they like."""

    settings: Settings
    api: ArgoApi

    @property
    def backend(self) -> Backend:
        return open_backend(self.settings)


@pytest.fixture(params=["kubernetes", "argo"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Cluster:
    kind, fixture = {
        "kubernetes": (KubernetesApi, "cluster_settings"),
        "argo": (ArgoServerApi, "argo_settings"),
    }[request.param]
    settings = replace(request.getfixturevalue(fixture), datastore=str(tmp_path / "store"))
    return Cluster(settings, kind(settings))


def workflow(**metadata: Any) -> dict[str, Any]:
    spec = {"entrypoint": "x", "templates": [{"name": "x", "suspend": {}}]}
    metadata = {"generateName": f"{NAME}-", **metadata}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("labels", [{}, METAFLOWS])
def test_a_run_of_somebody_else_is_refused_by_all_that_takes_a_run_and_stays_as_it_is(
    cluster: Cluster, labels: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, api, backend = cluster.settings, cluster.api, cluster.backend
    for name in ("backend", "datastore", "argo_server", "namespace"):
        monkeypatch.setenv(f"MFHERA_{name.upper()}", getattr(settings, name) or "")
    name = api.create(workflow(labels=labels))["metadata"]["name"]
    run = f"argo-{name}"
    triggered = TriggeredRun(run_id=run, name="", flow=FLOW, backend=backend, settings=settings)
    acts: list[Callable[[], object]] = [
        *(lambda act=act: act(run) for act in (backend.run, backend.plan, backend.terminate, backend.stop)),
        *(lambda act=act: act(run) for act in (backend.suspend, backend.unsuspend, backend.retry)),
        *(lambda action=action: control(action, run, Rights(settings=settings)) for action in Action),
        *(lambda act=act: act() for act in (triggered.terminate, triggered.retry, triggered.resume)),
        lambda: next(backend.watch(run)),
        lambda: next(backend.pod_log(run, name)),
        lambda: triggered.status,
        lambda: status(run, settings),
        lambda: status(f"{FLOW}/{run}", settings),
        lambda: select(run, settings),
        lambda: resume_deployed(run, settings),
        lambda: add.main([run, "seen"], standalone_mode=False),
    ]
    made = "Metaflow made, and that is none of ours; use Metaflow's own commands, or" if labels else "is none of ours; "
    try:
        for act in acts:
            with pytest.raises(ForeignRunError) as raised:
                act()
            assert str(raised.value).startswith(f"there is a Workflow '{name}' in {backend.where} that {made}")
            assert f"argo -n {backend.namespace} terminate {name}" in str(raised.value)
        after = api.get("Workflow", name)
        assert after is not None
        asked_of_it = {name: after["spec"].get(name) for name in ("shutdown", "suspend")}
        assert asked_of_it == {"shutdown": None, "suspend": None}, "its controller may have filled in the rest"
        assert not Path(settings.datastore).exists() or not any(Path(settings.datastore).rglob("*.json"))
        assert run not in [each.run for each in backend.runs()]
        assert run not in [each.run for each in list_runs(None, settings, 100)]
    finally:
        api.delete("Workflow", name)


@of_the_wire
def test_a_run_that_nobody_has_taken_up_yet_is_that_of_its_template(
    argo_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Objects, "_start", lambda objects, workflow: None)  # as if there were no controller
    monkeypatch.setattr(Objects, "_observe", lambda objects, workflow: None)
    backend, api = open_backend(argo_settings), ArgoServerApi(argo_settings)
    backend.deploy(one_step("", NAME))
    spec = {"spec": {"workflowTemplateRef": {"name": NAME}}}
    of_cron = api.create(workflow() | spec)["metadata"]["name"]
    found = backend.run(f"argo-{of_cron}")
    assert (found.flow, found.deployment, found.phase) == (FLOW, NAME, Phase.PENDING)
    of_metaflow = api.create(workflow(labels=METAFLOWS) | spec)["metadata"]["name"]
    old = api.create(workflow() | spec | {"status": {"phase": "Running"}})["metadata"]["name"]
    nowhere = api.create(workflow() | {"spec": {"workflowTemplateRef": {"name": "nothing"}}})["metadata"]["name"]
    for name in (of_metaflow, old, nowhere):
        with pytest.raises(ForeignRunError):
            backend.terminate(f"argo-{name}")


def test_a_record_whose_name_somebody_elses_workflow_has_is_listed_and_gets_no_end(
    argo_settings: Settings, tmp_path: Path
) -> None:
    settings, api = replace(argo_settings, datastore=str(tmp_path / "store")), ArgoServerApi(argo_settings)
    plan = one_step("", NAME)
    datastore = {Annotations.DATASTORE: settings.datastore}
    open_backend(settings).deploy(replace(plan, annotations={**plan.annotations, **datastore}))
    name = api.create(workflow())["metadata"]["name"]
    store = open_store(settings.datastore, settings)
    record = RunRecord(flow=FLOW, run=f"argo-{name}", created=1.0, deployment=NAME, namespace=api.namespace)
    runs.begin(store, record)
    assert [(each.run, each.phase) for each in list_runs(FLOW, settings, 9)] == [(record.run, Phase.RUNNING)]
    assert runs.read_end(store, FLOW, record.run) is None
    api.delete("Workflow", name)
    assert [(each.run, each.phase) for each in list_runs(FLOW, settings, 9)] == [(record.run, Phase.FAILED)]
