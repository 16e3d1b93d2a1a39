"""How long runs may take and are kept, what Argo shows of them, and who is told: from options to the Plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from metaflow_hera.argo.manifest import from_manifests
from metaflow_hera.cli import mfhera
from metaflow_hera.cli.peer import Program, flow_group
from metaflow_hera.deploy.manifests import compile_manifests
from metaflow_hera.errors import SettingsError, UsageError
from metaflow_hera.plan.records import Container, Plan, Ttl

FLOW = '''
from metaflow_hera import FlowSpec, exit_hook, step


def told(run):
    pass


class LifeFlow(FlowSpec):
    """Fits a model.

    {{workflow.name}} is *not* evaluated.
    """

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass
'''


@pytest.fixture(autouse=True)
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MFHERA_DATA_DIR", str(tmp_path / "data"))
    file = tmp_path / "life.py"
    file.write_text(FLOW)
    return file


def called(*words: str | Path) -> Result:
    return CliRunner().invoke(mfhera, [*map(str, words)])


def compiled(flow: Path, *words: str) -> Plan:
    done = called("compile", flow, "--json", *words)
    assert done.exit_code == 0, done.stderr
    return from_manifests(json.loads(done.stdout))


def spec_of(flow: Path, *words: str) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(called("compile", flow, "--json", *words).stdout)[0]["spec"]
    return spec


def test_the_options_are_fields_of_the_workflow(flow: Path) -> None:
    spec = spec_of(
        flow, "--workflow-timeout", "60", "--workflow-priority", "-5", "--ttl", "0", "--pod-gc", "OnPodSuccess"
    )
    assert (spec["activeDeadlineSeconds"], spec["priority"]) == (60, -5)
    assert (spec["ttlStrategy"], spec["podGC"]) == ({"secondsAfterCompletion": 0}, {"strategy": "OnPodSuccess"})


def test_a_failure_may_be_kept_longer_than_a_success(flow: Path) -> None:
    plan = compiled(flow, "--ttl-after-success", "60", "--ttl-after-failure", "86400")
    assert plan.ttl == Ttl(success=60, failure=86_400)


def test_without_options_nothing_of_that_is_in_the_manifest(flow: Path) -> None:
    assert not {"activeDeadlineSeconds", "priority", "ttlStrategy", "podGC"} & spec_of(flow).keys()


def test_a_team_sets_its_defaults_once_and_an_option_comes_first(flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFHERA_TTL", "600")
    monkeypatch.setenv("MFHERA_POD_GC", "OnWorkflowSuccess")
    monkeypatch.setenv("MFHERA_WORKFLOW_TIMEOUT", "3600")
    plan = compiled(flow, "--ttl", "5")
    assert (plan.ttl, plan.pod_gc, plan.deadline) == (Ttl(completion=5), "OnWorkflowSuccess", 3600)


def test_everything_that_is_wrong_with_the_settings_is_told_at_once_with_where_it_was_set(
    flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MFHERA_TTL", "a day")
    monkeypatch.setenv("MFHERA_WORKFLOW_PRIORITY", "1.5")
    monkeypatch.setenv("MFHERA_POD_GC", "never")
    done = called("deploy", flow)
    assert done.exit_code == 2
    assert "MFHERA_TTL must be a whole number from 0 to 2147483647, not 'a day'" in done.stderr
    assert "MFHERA_WORKFLOW_PRIORITY must be a whole number" in done.stderr
    assert "MFHERA_POD_GC must be one of OnPodCompletion, OnPodSuccess, " in done.stderr


def test_python_takes_the_same_options_and_refuses_others(flow: Path) -> None:
    from metaflow_hera import deploy

    made = deploy(flow, workflow_timeout=60, ttl=5, pod_gc="OnPodSuccess", workflow_title="Ours")
    assert (made.plan.deadline, made.plan.ttl, made.plan.pod_gc) == (60, Ttl(completion=5), "OnPodSuccess")
    with pytest.raises(UsageError, match="there is no option ttl_seconds"):
        deploy(flow, ttl_seconds=5)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="--ttl must be a whole number from 0"):
        deploy(flow, ttl=-1)
    with pytest.raises(UsageError, match="--ttl must be a whole number"):
        deploy(flow, ttl=True)


TITLE, DESCRIPTION = "workflows.argoproj.io/title", "workflows.argoproj.io/description"


def test_argo_shows_the_name_and_the_docstring_of_the_flow_unless_others_are_given(flow: Path) -> None:
    found = compiled(flow).annotations
    assert found[TITLE] == "LifeFlow"
    assert found[DESCRIPTION] == "Fits a model.\n\n{{workflow.name}} is *not* evaluated."
    given = compiled(flow, "--workflow-title", "Ours\n{{x}}", "--workflow-description", "").annotations
    assert given[TITLE] == "Ours {{x}}"
    assert DESCRIPTION not in given


def test_a_title_and_a_description_of_any_length_fit_into_an_object(flow: Path) -> None:
    found = compiled(flow, "--workflow-title", "t" * 5000, "--workflow-description", "☃" * 100_000).annotations
    assert (len(found[TITLE]), len(found[DESCRIPTION])) == (200, 10_000)


def test_literal_secrets_are_refused_with_how_to_hide_them(flow: Path) -> None:
    for name, variable in (
        ("--notify-slack-webhook-url", "MFHERA_SLACK_WEBHOOK_URL"),
        ("--notify-pager-duty-integration-key", "MFHERA_PAGER_DUTY_INTEGRATION_KEY"),
        ("--notify-incident-io-api-key", "MFHERA_INCIDENT_IO_API_KEY"),
    ):
        done = called("deploy", flow, "--notify-on-error", name, "planted")
        assert done.exit_code == 2
        assert f"kubectl create secret generic NAME --from-literal={variable}=" in done.stderr
        assert "planted" not in done.stderr


def test_who_asks_to_tell_people_names_a_channel(flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = called("deploy", flow, "--notify-on-error", "--notify-on-success")
    assert alone.exit_code == 2
    assert "--notify-on-error and --notify-on-success: nobody would be told" in alone.stderr

    plan = compiled(flow, "--notify-on-error", "--notify-secret", "channels")
    exits = plan.by_name["exit"]
    assert isinstance(exits, Container)
    assert exits.optional_secrets == ("channels",)

    monkeypatch.setenv("MFHERA_SLACK_WEBHOOK_URL", "https://hooks/planted")
    local = called("compile", flow, "--json", "--notify-on-error")
    assert "planted" not in local.stdout
    assert "these manifests name no Secret with a channel, so in a cluster nobody would be told" in local.stderr
    monkeypatch.setenv("MFHERA_BACKEND", "kubernetes")
    cluster = called("compile", flow, "--json", "--notify-on-error")
    assert cluster.exit_code == 2
    assert "kubectl create secret generic" in cluster.stderr


@pytest.mark.parametrize("pair", ["team", "=x", ""])
def test_metadata_for_incident_io_are_pairs(flow: Path, pair: str) -> None:
    done = called("deploy", flow, "--incident-io-metadata", pair)
    assert done.exit_code == 2
    assert "must be KEY=VALUE" in done.stderr


def test_the_peers_options_are_taken(flow: Path) -> None:
    words = ("--enable-heartbeat-daemon", "--no-enable-error-msg-capture", "--workflow-priority", "3", "--only-json")
    done = CliRunner().invoke(flow_group, ["argo-workflows", "create", *words], obj=Program(target=str(flow)))
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)[0]["spec"]["priority"] == 3


def test_links_to_argo_are_told_where_its_pages_and_the_namespace_are_known(
    flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAFLOW_ARGO_WORKFLOWS_UI_URL", "https://argo.example/")
    monkeypatch.setenv("MFHERA_NAMESPACE", "team")
    document = called("compile", flow, "--json", "--notify-on-error", "--notify-secret", "c").stdout
    assert "https://argo.example/workflows/team/{{workflow.name}}" in document


PEER = {
    "METAFLOW_KUBERNETES_NODE_SELECTOR": "disk=ssd,zone=a",
    "METAFLOW_KUBERNETES_TOLERATIONS": '[{"key": "spot", "toleration_seconds": 5}]',
    "METAFLOW_KUBERNETES_LABELS": "team=a,empty",
    "METAFLOW_KUBERNETES_ANNOTATIONS": "note=b",
    "METAFLOW_KUBERNETES_IMAGE_PULL_POLICY": "Always",
    "METAFLOW_KUBERNETES_IMAGE_PULL_SECRETS": '["pull"]',
    "METAFLOW_KUBERNETES_CONTAINER_REGISTRY": "registry.local",
    "METAFLOW_KUBERNETES_CPU": "2",
    "METAFLOW_KUBERNETES_MEMORY": "512",
    "METAFLOW_KUBERNETES_DISK": "100",
    "METAFLOW_KUBERNETES_SHARED_MEMORY": "64",
    "METAFLOW_KUBERNETES_QOS": "Guaranteed",
    "METAFLOW_KUBERNETES_SECRETS": "one",
    "METAFLOW_ARGO_WORKFLOWS_KUBERNETES_SECRETS": "two,three",
}


def test_the_peers_settings_of_pods_are_read(flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PEER.items():
        monkeypatch.setenv(name, value)
    step = compiled(flow).by_name["start"]
    assert isinstance(step, Container)
    assert step.node_selector == {"disk": "ssd", "zone": "a"}
    assert step.tolerations == ({"key": "spot", "tolerationSeconds": 5},)
    assert step.labels == {"team": "a", "empty": ""}
    assert step.annotations["note"] == "b"
    assert (step.image_pull_policy, step.image_pull_secrets) == ("Always", ("pull",))
    assert step.image.startswith("registry.local/python:")
    assert step.requests == step.limits == {"cpu": "2", "memory": "512M", "ephemeral-storage": "100M"}
    assert step.secrets == ("one", "two", "three")


def test_settings_of_pods_that_cannot_be_read_are_told_at_once(flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "METAFLOW_KUBERNETES_TOLERATIONS": "key=spot",
        "METAFLOW_KUBERNETES_NODE_SELECTOR": "=x",
        "METAFLOW_KUBERNETES_CPU": "NaN",
        "METAFLOW_KUBERNETES_LABELS": "team=two words",
        "MFHERA_POD_MEMORY": "4Gi",
        "MFHERA_POD_QOS": "best",
        "METAFLOW_KUBERNETES_IMAGE_PULL_SECRETS": "[1]",
        "METAFLOW_KUBERNETES_IMAGE_PULL_POLICY": "sometimes",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as told:
        compile_manifests(flow)
    assert {line.partition(": ")[0] for line in str(told.value).splitlines()} == wrong.keys()
