"""Pods in which our own code never began: why they wait, and what they printed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from backend_plans import one_step, wait_for

from metaflow_hera.backends import Backend, NodeStatus, Phase
from metaflow_hera.backends.open import open_backend
from metaflow_hera.backends.pods import hint, own_lines, pod_name
from metaflow_hera.plan.records import Container, Plan, Retry
from metaflow_hera.plan.text import Retries, text
from metaflow_hera.settings import Settings


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ('ImagePullBackOff: Back-off pulling image "x:1"', "the image cannot be pulled"),
        ("InvalidImageName: couldn't parse image name", "the image cannot be pulled"),
        ("Unschedulable: 0/1 nodes are available: 1 Insufficient memory.", "no node has room for it"),
        ('pods "x" is forbidden: exceeded quota: q, requested: pods=1', "a quota of the namespace is used up"),
        ('error looking up service account ns/sa: serviceaccount "sa" not found', "create the service account"),
        ('CreateContainerConfigError: secret "s3-cred" not found', "something that its environment comes from"),
        ('workflowtaskresults.argoproj.io is forbidden: User "x" cannot create', "the service account of pods"),
        ("main: Error (exit code 7)", ""),
        ("PodInitializing", ""),
    ],
)
def test_a_pod_that_waits_or_failed_is_told_with_what_to_do(message: str, told: str) -> None:
    assert hint(message).startswith(told)
    assert bool(hint(message)) == bool(told)


def test_a_service_account_without_its_rights_is_told_with_the_setting_and_with_what_makes_one() -> None:
    told = hint('workflowtaskresults.argoproj.io is forbidden: User "system:serviceaccount:prod:default" cannot create')
    assert "`mfhera rbac` makes one" in told
    assert "the setting service-account" in told


def test_what_argos_own_program_prints_is_left_out_unless_it_complains() -> None:
    lines = [
        'time=2026-11-27T14:36:17.800Z level=INFO msg="waiting for signals" argo=true signalPath=/var/run/argo',
        'time="2026-11-27T14:36:15.425Z" level=info msg="Alloc=9351 TotalAlloc=15968 Sys=26726 NumGC=4"',
        'time=2026-11-27T14:36:18.804Z level=ERROR msg="executor error" argo=true',
        "hello",
        "time=now level=INFO msg=mine",
        "Error: exit status 3",
    ]
    assert [*own_lines(lines)] == lines[2:5]


def test_pods_are_named_as_argo_names_them() -> None:
    node = {"id": "wf-1-4193820516", "name": "wf-1.b", "templateName": "b"}
    assert pod_name("wf-1", node) == "wf-1-b-4193820516"
    assert pod_name("wf-1.b", node) == "wf-1.b", "of a workflow that is one pod"
    assert len(pod_name("w" * 250, node)) == 253


@pytest.fixture(params=["kubernetes", "argo"])
def cluster(request: pytest.FixtureRequest, cluster_settings: Settings) -> Backend:
    if request.param == "kubernetes":
        return open_backend(cluster_settings)
    return open_backend(request.getfixturevalue("argo_settings"))


def with_step(plan: Plan, **fields: object) -> Plan:
    dag, step = plan.templates
    assert isinstance(step, Container)
    return replace(plan, templates=(dag, replace(step, **fields)))  # type: ignore[arg-type]


def waiting(backend: Backend, plan: Plan) -> tuple[str, NodeStatus]:
    backend.deploy(plan)
    run = backend.trigger(plan.name, {})
    wait_for(lambda: any(node.hint for node in backend.run(run).nodes))
    return run, backend.run(run).nodes[0]


def test_a_run_that_waits_for_its_image_says_so(cluster: Backend) -> None:
    run, node = waiting(cluster, with_step(one_step("", "imageless"), image="no-such-image.invalid/x:1"))
    assert (node.phase, "the image cannot be pulled" in node.hint) == (Phase.PENDING, True)
    status = cluster.run(run)
    assert status.phase is Phase.RUNNING
    assert status.message.startswith(f"{run.removeprefix('argo-')}.start waits: ")
    assert status.message.endswith(node.hint)
    assert [*cluster.pod_log(run, node.name)] == []
    cluster.terminate(run)


def test_a_run_that_no_node_has_room_for_says_so(cluster: Backend) -> None:
    run, node = waiting(cluster, with_step(one_step("", "roomless"), requests={"memory": "999Gi"}))
    assert "no node has room" in node.hint
    cluster.terminate(run)


def test_what_the_last_attempt_printed_is_read_from_its_pod(cluster: Backend) -> None:
    code = "print('attempt', sys.argv[1]); sys.exit('bad luck')"
    cluster.deploy(one_step(code, "printing", text(Retries()), retry=Retry(limit=1)))
    run = cluster.trigger("printing", {})
    *_, last = cluster.watch(run)
    assert sorted(cluster.pod_log(run, last.nodes[0].name)) == ["attempt 1", "bad luck"]
    assert [*cluster.pod_log(run, "absent")] == []
