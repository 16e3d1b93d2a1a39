"""What an API in front of a cluster says no with, told in one sentence with the next step."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from argo_wire import DROPPED, NAMESPACE, opened_wire
from backend_plans import one_step, wait_for
from real_servers import CLUSTER, CONTEXT

from metaflow_hera.argo.manifest import manifests
from metaflow_hera.backends import Backend
from metaflow_hera.backends.api_errors import missing_kind, refuse_dropped, refused
from metaflow_hera.backends.argo_server_api import ArgoServerApi
from metaflow_hera.backends.kubernetes_api import KubernetesApi, _resource
from metaflow_hera.backends.open import open_backend
from metaflow_hera.errors import BackendError
from metaflow_hera.plan.records import Plan, Schedule
from metaflow_hera.settings import Settings

FORBIDDEN = (
    'pods "x" is forbidden: User "Ann B" cannot get resource "pods/log" in API group "" in the namespace "argo-test"'
)


@pytest.mark.parametrize(
    ("code", "message", "told"),
    [
        (401, "Unauthorized", "does not take the credentials; they may have expired"),
        (
            403,
            'User "system:serviceaccount:a:b" cannot create resource "workflows" in API group "argoproj.io" in the '
            'namespace "prod"',
            "kubectl -n prod create role mfhera-create-workflows --verb=create --resource=workflows.argoproj.io && "
            "kubectl -n prod create rolebinding mfhera-create-workflows --role=mfhera-create-workflows "
            "--serviceaccount=a:b",
        ),
        (403, FORBIDDEN, "create role mfhera-get-pods-log --verb=get --resource=pods/log && "),
        (403, FORBIDDEN, "--role=mfhera-get-pods-log --user='Ann B'"),
        (403, 'admission webhook "policy" denied the request: no', "it is forbidden (admission webhook"),
        (403, "exceeded quota: pods", "exceeded quota: pods; free some of it"),
        (404, 'namespaces "prod" not found', "there is no namespace 'prod'; create it"),
        (404, "the server could not find the requested resource", "Argo Workflows is not installed there"),
        (422, "spec.schedules: Required value", "refuses it: spec.schedules: Required value"),
        (500, "etcd is away", "answered 500: etcd is away; try it again"),
    ],
)
def test_a_refusal_is_told_with_what_to_do(code: int, message: str, told: str) -> None:
    assert told in str(refused("create Workflow 'x-'", "namespace 'prod' of https://k", code, message))


def test_a_sensor_without_argo_events_is_told() -> None:
    assert "Argo Events is not installed" in str(missing_kind("create Sensor 'x'", "namespace 'prod'"))


def test_fields_that_a_server_drops_are_named_and_empty_ones_are_not_missed() -> None:
    sent = {
        "kind": "CronWorkflow",
        "metadata": {"name": "x"},
        "spec": {"schedules": ["a"], "suspend": False, "metadata": {}, "templates": [{"name": "a", "new": 1}]},
    }
    got = {"kind": "CronWorkflow", "metadata": {"name": "x"}, "spec": {"templates": [{"name": "a"}]}}
    with pytest.raises(BackendError, match=r"would drop spec.schedules, spec.templates\[0\].new, for its Argo"):
        refuse_dropped(sent, got, "here")
    refuse_dropped(sent, sent, "here")
    refuse_dropped(sent, None, "here")


@pytest.fixture
def wire(embedded_settings: Settings) -> Iterator[Settings]:
    with opened_wire(embedded_settings, "secret") as url:
        yield replace(embedded_settings, backend="argo", argo_server=url, argo_token="secret", namespace=NAMESPACE)


def test_an_argo_server_that_drops_fields_is_told_before_anything_is_written(wire: Settings) -> None:
    api = ArgoServerApi(wire)
    [template] = manifests(one_step(""))
    placed = {**template, "metadata": {**template["metadata"], "namespace": NAMESPACE}}
    refuse_dropped(placed, api.check(placed), "")
    with pytest.raises(BackendError, match=f"would drop spec.{DROPPED}"):
        sent = {**placed, "spec": {**placed["spec"], DROPPED: 1}}
        refuse_dropped(sent, {**placed, "spec": api.check(placed)["spec"]}, api.place)  # type: ignore[index]
    assert list(api.list("WorkflowTemplate", {})) == []


def test_a_token_that_is_not_taken_is_told(wire: Settings) -> None:
    with pytest.raises(BackendError, match="does not take the credentials; they may have expired: log in again"):
        open_backend(replace(wire, argo_token="old")).run("argo-x")


def variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: dict[str, Any] | None, **cluster: Any) -> None:
    """The kubeconfig of the cluster, with another user or server."""
    if not CLUSTER:
        pytest.skip("MFHERA_TEST_KUBECONFIG names no kubeconfig of a cluster with Argo")
    config = yaml.safe_load(Path(CLUSTER).read_text())
    for each in config["users"] if user is not None else ():
        each["user"] = user
    config["clusters"][0]["cluster"].update(cluster)
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(file))


def plugin(*command: str) -> dict[str, Any]:
    api = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": api, "command": command[0], "args": [*command[1:]], "interactiveMode": "Never"}}


@pytest.mark.parametrize(
    ("user", "cluster", "told"),
    [
        ({"token": "expired"}, {}, "does not take the credentials; they may have expired"),
        (plugin("no-such-plugin"), {}, "there are no credentials for .*no-such-plugin"),
        (plugin("sh", "-c", "echo session expired >&2; exit 1"), {}, "there are no credentials.*session expired"),
        (plugin("echo", "no JSON"), {}, "there are no credentials"),
        (plugin("echo", '{"status": {"token": "expired"}}'), {}, "does not take the credentials"),
        (None, {"server": "https://127.0.0.1:1"}, "nobody answers for .*is the cluster there"),
        (None, {"server": "https://no.invalid"}, "nobody answers for "),
        (None, {"certificate-authority-data": None}, "certificate of .* is none that is trusted here"),
        (None, {"certificate-authority": "absent", "certificate-authority-data": None}, "no credentials"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    user: dict[str, Any] | None,
    cluster: dict[str, Any],
    told: str,
) -> None:
    variant(tmp_path, monkeypatch, user, **cluster)
    with pytest.raises(BackendError, match=rf"(?s){told}"):
        open_backend(Settings.load({"backend": "kubernetes"})).run("argo-x")


def test_who_is_somebody_else_by_the_kubeconfig_has_the_rights_of_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster_settings: Settings
) -> None:
    config = yaml.safe_load(Path(CLUSTER).read_text())
    chosen = next(each for each in config["contexts"] if each["name"] == (CONTEXT or config["current-context"]))
    user = next(each["user"] for each in config["users"] if each["name"] == chosen["context"]["user"])
    variant(
        tmp_path, monkeypatch, {**user, "as": "mallory", "as-groups": ["nobodies"], "as-user-extra": {"Why": ["x"]}}
    )
    with pytest.raises(BackendError, match="the user mallory lacks the verb 'get' on 'workflows'"):
        open_backend(cluster_settings).run("argo-x")


KUBECTL = ("kubectl", "--kubeconfig", CLUSTER, *(("--context", CONTEXT) if CONTEXT else ()))


def kubectl(*words: str) -> str:
    return subprocess.run([*KUBECTL, *words], check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def namespace(cluster_settings: Settings) -> Iterator[str]:
    """A new one, in which an account `somebody` may do nothing; needs a context of an administrator."""
    if not CONTEXT:
        pytest.skip("MFHERA_TEST_CONTEXT names no context of an administrator")
    name = f"mfhera-{secrets.token_hex(4)}"
    kubectl("create", "namespace", name)
    kubectl("-n", name, "create", "serviceaccount", "somebody")
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def somebody(namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    token = kubectl("-n", namespace, "create", "token", "somebody").strip()
    variant(tmp_path, monkeypatch, {"token": token})
    return Settings.load({"backend": "kubernetes", "namespace": namespace})


def told_to_grant(backend: Backend, plan: Plan) -> str:
    """The command that grants what is lacking; empty if nothing is."""
    try:
        backend.check(plan)
    except BackendError as error:
        command = str(error).partition("grants this alone with: ")[2]
        assert command, error
        return command
    return ""


def test_what_is_told_to_grant_is_enough_for_deploying(somebody: Settings) -> None:
    plan, backend = one_step("", "granted"), open_backend(somebody)
    granted: list[str] = []
    while command := told_to_grant(backend, plan):
        granted.append(command)
        subprocess.run(command.replace("kubectl ", f"{' '.join(KUBECTL)} "), shell=True, check=True, timeout=60)
        wait_for(lambda: told_to_grant(backend, plan) not in granted)  # the API server sees it a moment later
    backend.deploy(plan)
    assert [each for each in granted if "create" not in each] == []
    assert len(granted) == 3, "get and create templates, get schedules: nothing more"
    with pytest.raises(BackendError, match="lacks the verb 'update' on 'workflowtemplates'"):
        backend.check(plan)


def test_a_dry_run_writes_nothing_and_needs_what_deploying_needs(namespace: str) -> None:
    settings = Settings.load({"backend": "kubernetes", "namespace": namespace, "kube_context": CONTEXT})
    backend = open_backend(settings)
    plan = replace(one_step("", "dry"), schedule=Schedule(cron="0 10 * * *"))
    backend.check(plan)
    assert list(backend.deployments()) == []
    with pytest.raises(BackendError, match=r"cannot create CronWorkflow 'dry'.*refuses it"):
        backend.check(replace(plan, schedule=Schedule(cron="not a line")))
    backend.deploy(plan)
    found = backend.deployment("dry")
    backend.check(one_step("", "dry"))
    assert backend.deployment("dry") == found, "neither template nor schedule changed"


def test_a_quota_that_is_used_up_leaves_nothing_half_deployed(namespace: str) -> None:
    count = "count/cronworkflows.argoproj.io"
    kubectl("-n", namespace, "create", "quota", "none", f"--hard={count}=0")
    status = {"status": {"hard": {count: "0"}, "used": {count: "0"}}}  # no controller of quotas writes it here
    kubectl("-n", namespace, "patch", "quota", "none", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    backend = open_backend(Settings.load({"backend": "kubernetes", "namespace": namespace, "kube_context": CONTEXT}))
    with pytest.raises(BackendError, match=r"exceeded quota: none, .*; free some of it, or ask for more"):
        backend.deploy(replace(one_step("", "much"), schedule=Schedule(cron="0 10 * * *")))
    assert list(backend.deployments()) == []
    backend.deploy(one_step("", "much"))


def test_a_namespace_that_is_not_there_is_told(cluster_settings: Settings) -> None:
    if not CONTEXT:
        pytest.skip("MFHERA_TEST_CONTEXT names no context of an administrator")
    backend = open_backend(replace(cluster_settings, namespace="mfhera-nowhere"))
    with pytest.raises(BackendError, match="there is no namespace 'mfhera-nowhere'; create it"):
        backend.deploy(one_step(""))


def test_a_field_that_the_cluster_does_not_know_is_told_and_not_written(cluster_settings: Settings) -> None:
    api = KubernetesApi(cluster_settings)
    [template] = manifests(one_step("", "newer"))
    newer = {**template, "spec": {**template["spec"], "fieldOfTomorrow": {"a": 1}}}
    with pytest.raises(BackendError, match=r"'newer': namespace .* would drop spec.fieldOfTomorrow"):
        refuse_dropped(newer, api.check(newer), api.place)
    assert api.get("WorkflowTemplate", "newer") is None


def test_a_cluster_without_argo_is_told(cluster_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    _resource.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr("metaflow_hera.argo.fixed.API_VERSION", "nothing.example.org/v1")
        with pytest.raises(BackendError, match="Argo Workflows is not installed there"):
            open_backend(cluster_settings).run("argo-x")
    _resource.cache_clear()
