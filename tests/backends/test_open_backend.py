"""Which backend the settings choose."""

from __future__ import annotations

from pathlib import Path

import pytest

from metaflow_hera.backends.api_errors import refused
from metaflow_hera.backends.embedded import EmbeddedBackend
from metaflow_hera.backends.open import open_backend
from metaflow_hera.errors import BackendError
from metaflow_hera.settings import Settings


def test_without_any_configuration_flows_run_on_this_machine() -> None:
    assert isinstance(open_backend(Settings.load()), EmbeddedBackend)


def test_a_cluster_that_is_not_configured_is_told_with_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(BackendError, match=r"there is no Kubernetes to talk to.*set KUBECONFIG"):
        open_backend(Settings.load({"backend": "kubernetes"})).run("argo-x")
    with pytest.raises(BackendError, match="needs the URL of an Argo Server; set MFHERA_ARGO_SERVER"):
        open_backend(Settings.load({"backend": "argo"})).run("argo-x")


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me, namespace: prod}}]
clusters: [{name: here, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: me, user: {token: x}}]
"""


def test_a_cluster_that_does_not_answer_is_named_with_its_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(file))
    with pytest.raises(BackendError, match=r"nobody answers for namespace 'prod' of http://127\.0\.0\.1:1"):
        open_backend(Settings.load({"backend": "kubernetes"})).run("argo-x")
    with pytest.raises(BackendError, match="Context 'there' not found"):
        open_backend(Settings.load({"backend": "kubernetes", "kube_context": "there"})).run("argo-x")


@pytest.mark.parametrize(
    ("code", "message", "told"),
    [
        (401, "Unauthorized", "does not take the credentials; they may have expired"),
        (
            403,
            'workflows is forbidden: User "me" cannot create resource "workflows" in API group "argoproj.io"',
            "the Role of this user lacks the verb 'create' on 'workflows'; ask an administrator",
        ),
        (403, "exceeded quota: pods", "exceeded quota: pods; free some of it"),
        (404, 'namespaces "prod" not found', "there is no namespace 'prod'; create it"),
        (404, "the server could not find the requested resource", "Argo Workflows is not installed there, or too old"),
        (422, "spec.schedules: Required value", "refuses it: spec.schedules: Required value"),
        (500, "etcd is away", "answered 500: etcd is away; try it again"),
    ],
)
def test_a_refusal_is_told_with_what_to_do(code: int, message: str, told: str) -> None:
    assert told in str(refused("create Workflow 'x-'", "namespace 'prod' of https://k", code, message))
