"""What has the name of a deployment on a cluster, but was made by somebody else, or by another version of ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from backend_plans import one_step

from metaflow_hera.argo.manifest import manifests
from metaflow_hera.backends.argo_server_api import ArgoServerApi
from metaflow_hera.backends.open import open_backend
from metaflow_hera.cli.deployments import list_command
from metaflow_hera.deploy.deployed_flows import deployed, deployed_by_any_version, deployments
from metaflow_hera.deploy.rights import deployed_as
from metaflow_hera.errors import BackendError, ForeignDeploymentError, NotDeployedError, ProductionTokenError
from metaflow_hera.labels import Annotations
from metaflow_hera.settings import Settings

NAME = "somebodys"


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
