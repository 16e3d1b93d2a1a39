"""Which backend the settings choose."""

from __future__ import annotations

from pathlib import Path

import pytest

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
