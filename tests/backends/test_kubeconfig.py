"""Which cluster is meant, and as whom, as kubectl decides it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from metaflow_hera.backends.kubeconfig import cluster_access
from metaflow_hera.errors import BackendError
from metaflow_hera.settings import Settings


def written(file: Path, name: str, *, current: bool = True, user: dict[str, Any] | None = None) -> Path:
    config = {
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": f"of-{name}"}}],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}", "certificate-authority": "ca.crt"}}],
        "users": [{"name": name, "user": user or {"token": name}}],
        **({"current-context": name} if current else {}),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(config))
    return file


def settings(context: str | None = None) -> Settings:
    return Settings.load({"kube_context": context})


def test_several_files_are_one_and_paths_are_relative_to_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [written(tmp_path / "a/config", "one", current=False), tmp_path / "none", written(tmp_path / "b/c", "two")]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
    found = cluster_access(settings()).config
    assert (found.context_name, found.namespace) == ("two", "of-two")
    assert found.cluster.certificate_auth == str(tmp_path / "b/ca.crt")
    assert cluster_access(settings("one")).config.cluster.server == "https://one"


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a pod finds of its service account."""
    folder = tmp_path / "account"
    folder.mkdir()
    for name, text in (("token", "secret"), ("namespace", "pods"), ("ca.crt", "")):
        (folder / name).write_text(text)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    return folder


def test_a_pod_is_its_service_account_unless_it_has_a_kubeconfig(
    account: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = cluster_access(settings(), account).config
    assert (found.cluster.server, found.namespace) == ("https://10.0.0.1:443", "pods")
    assert found.user is not None
    assert found.user.token_file == str(account / "token"), "it is read again when it has expired"
    monkeypatch.setenv("KUBECONFIG", str(written(tmp_path / "config", "chosen")))
    assert cluster_access(settings(), account).config.cluster.server == "https://chosen"


def test_impersonation_is_headers_of_every_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = written(tmp_path / "plain", "one")
    monkeypatch.setenv("KUBECONFIG", str(plain))
    assert cluster_access(settings()).impersonation == ()
    who = {"as": "ann", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"Scope/x": ["1", "2"]}}
    monkeypatch.setenv("KUBECONFIG", str(written(tmp_path / "config", "two", user={"token": "t", **who})))
    assert cluster_access(settings()).impersonation == (
        ("Impersonate-User", "ann"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-scope%2Fx", "1"),
        ("Impersonate-Extra-scope%2Fx", "2"),
    )


def test_a_newer_plugin_for_credentials_is_told_which_api_is_spoken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "p", "env": None, "args": None}}
    monkeypatch.setenv("KUBECONFIG", str(written(tmp_path / "config", "one", user=plugin)))
    user = cluster_access(settings()).config.user
    assert user is not None
    assert user.exec is not None
    told = {each.name: each.value for each in user.exec.env or ()}
    assert json.loads(told["KUBERNETES_EXEC_INFO"])["apiVersion"] == "client.authentication.k8s.io/v1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{{", "is no YAML"),
        ("[]", "is no kubeconfig"),
        ("", "is no kubeconfig"),
        ("contexts: 1", "has wrong"),
        ("users: [{}]", "has wrong"),
        ("current-context: x", "Context 'x' not found"),
        ("contexts: []", "No current context"),
        (
            '{"current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "b"}}]}',
            "lacks or has wrong: 'b'",
        ),
        ('{"current-context": "a", "contexts": [{"name": "a", "context": {"cluster": 1}}]}', "has wrong"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(file))
    with pytest.raises(BackendError, match=f"there is no Kubernetes to talk to: .*{told}"):
        cluster_access(settings())
