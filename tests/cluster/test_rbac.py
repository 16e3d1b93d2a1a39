"""The Roles that `mfhera rbac` prints are enough for everything, and one verb less is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import Cluster, command

from metaflow_hera.backends import Backend
from metaflow_hera.backends.open import open_backend
from metaflow_hera.backends.permissions import OF_PODS, OPERATIONS, Permission, rules
from metaflow_hera.deploy.rbac import Grants, documents
from metaflow_hera.errors import BackendError, NotDeployedError
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.records import Container, Dag, EventSource, Plan, Schedule, Task, Triggers
from metaflow_hera.records.events import Awaited
from metaflow_hera.settings import Settings

ADMIN = os.environ.get("MFHERA_TEST_ADMIN_CONTEXT", "admin")
"""A context of the kubeconfig that may make Roles, service accounts and tokens."""

FLOW = Path(__file__).parents[2] / "examples" / "seed" / "parameter_flow.py"


def plan(name: str, schedule: str = "", event: str = "", *, fails: bool = False) -> Plan:
    """Its pod finds no node, so it costs nothing, unless it is to fail."""
    label = {Annotations.FLOW: "RbacFlow"}
    node = {} if fails else {"of-this-name": "nowhere"}
    start = Container(name="start", image="python:3.11", command=("false",), node_selector=node)
    source = EventSource(name="webhook", event="metaflow", service_account="sensor")
    return Plan(
        name=name,
        entrypoint="main",
        templates=(Dag(name="main", tasks=(Task(name="start", template="start"),)), start),
        labels=label,
        run_labels=label,
        annotations=label,
        schedule=Schedule(cron=schedule) if schedule else None,
        triggers=Triggers(events=(Awaited(name=event),), source=source) if event else None,
    )


@dataclass(frozen=True)
class Scene:
    """What an operation finds; *admin* may do everything."""

    admin: Backend
    name: str
    run: str


def unknown(call: Callable[[str], object]) -> None:
    with suppress(NotDeployedError):
        call("nothing-of-this-name")


BEGINNINGS = (("1 1 1 1 *", "one"), ("2 2 2 2 *", "two"), ("", ""))
"""Schedules and triggers that are made, changed, and removed."""


def deploy(backend: Backend, scene: Scene) -> None:
    """What is not there, and over what is."""
    scene.admin.delete(scene.name)
    for schedule, event in BEGINNINGS:
        backend.deploy(plan(scene.name, schedule, event))


def check(backend: Backend, scene: Scene) -> None:
    """Of what is not there, and of what is."""
    backend.check(plan(f"{scene.name}-new", *BEGINNINGS[0]))
    scene.admin.deploy(plan(scene.name, *BEGINNINGS[0]))
    for schedule, event in BEGINNINGS[1:]:
        backend.check(plan(scene.name, schedule, event))


def look(backend: Backend, scene: Scene) -> None:
    backend.deployment(scene.name)
    unknown(backend.deployment)


def delete(backend: Backend, scene: Scene) -> None:
    scene.admin.deploy(plan(scene.name, *BEGINNINGS[0]))
    backend.delete(scene.name)
    unknown(backend.delete)


def trigger(backend: Backend, scene: Scene) -> None:
    backend.trigger(scene.name, {})
    unknown(lambda name: backend.trigger(name, {}))


def read_plan(backend: Backend, scene: Scene) -> None:
    while not scene.admin.run(scene.run).started:
        time.sleep(0.2)
    backend.plan(scene.run)


def watch(backend: Backend, scene: Scene) -> None:
    """The first status is that of a look, the others are of the watch."""
    statuses = backend.watch(scene.run)
    next(statuses)
    scene.admin.terminate(scene.run)
    assert [*statuses][-1].phase.is_final


def retry(backend: Backend, scene: Scene) -> None:
    """Of a run whose pod failed and is still there."""
    scene.admin.deploy(plan(scene.name, fails=True))
    run = scene.admin.trigger(scene.name, {})
    assert [*scene.admin.watch(run)][-1].phase.is_bad
    backend.retry(run)


def read_log(backend: Backend, scene: Scene) -> None:
    while not (nodes := scene.admin.run(scene.run).nodes):
        time.sleep(0.2)
    list(backend.pod_log(scene.run, nodes[0].name))


EXERCISES: dict[str, Callable[[Backend, Scene], object]] = {
    "check": check,
    "deploy": deploy,
    "deployment": look,
    "deployments": lambda backend, scene: list(backend.deployments()),
    "delete": delete,
    "trigger": trigger,
    "submit": lambda backend, scene: backend.submit(plan(scene.name), {}),
    "run": lambda backend, scene: backend.run(scene.run),
    "runs": lambda backend, scene: list(backend.runs()),
    "plan": read_plan,
    "watch": watch,
    "pod_log": read_log,
    "terminate": lambda backend, scene: backend.terminate(scene.run),
    "stop": lambda backend, scene: backend.stop(scene.run),
    "suspend": lambda backend, scene: backend.suspend(scene.run),
    "unsuspend": lambda backend, scene: backend.unsuspend(scene.run),
    "retry": retry,
}
"""All that each operation of `OPERATIONS` asks of a cluster."""


def admin(*words: str, text: str | None = None) -> str:
    return command("kubectl", "--context", ADMIN, *words, text=text)


@dataclass
class Person:
    """A service account, and a Role whose rules change."""

    account: str
    namespace: str
    cases: list[int] = field(default_factory=list)

    def may(self, permissions: Iterable[Permission]) -> None:
        """Nothing else, as soon as the API server knows it: a rule of each case's own tells when."""
        self.cases.append(len(self.cases))
        case = f"case-{self.cases[-1]}"
        told = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [case], "verbs": ["get"]}
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": self.account, "namespace": self.namespace},
            "rules": [*rules(permissions), told],
        }
        admin("apply", "-f", "-", text=json.dumps(role))
        who = f"--as=system:serviceaccount:{self.namespace}:{self.account}"
        question = ("auth", "can-i", "get", f"configmaps/{case}", who, "-n", self.namespace)
        deadline = time.monotonic() + 30
        while "yes" not in command("kubectl", "--context", ADMIN, *question, check=False):
            assert time.monotonic() < deadline, "the API server does not take the Role"


@pytest.fixture(scope="module")
def namespace(reachable: None) -> str:
    may = subprocess.run(
        ["kubectl", "--context", ADMIN, "auth", "can-i", "create", "roles"], capture_output=True, text=True
    )
    if "yes" not in may.stdout:
        pytest.skip(f"the context {ADMIN!r} of KUBECONFIG may not make Roles; name another: MFHERA_TEST_ADMIN_CONTEXT")
    named = command("kubectl", "config", "view", "--minify", "-o", "jsonpath={..namespace}")
    return named or "default"


@pytest.fixture
def person(namespace: str) -> Iterator[Person]:
    account = f"mfhera-rbac-{uuid.uuid4().hex[:6]}"
    admin("create", "serviceaccount", account, "-n", namespace)
    admin("create", "rolebinding", account, f"--role={account}", f"--serviceaccount={namespace}:{account}")
    yield Person(account, namespace)
    for kind in ("rolebinding", "role", "serviceaccount"):
        admin("delete", kind, account, "-n", namespace, "--ignore-not-found")


@pytest.fixture
def backend_of(namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Backend]:
    """A backend as a service account sees it, or as the admin does; each is connected anew."""

    def opened(account: str) -> Backend:
        config = json.loads(command("kubectl", "config", "view", "--raw", "--flatten", "-o", "json"))
        context = next(each for each in config["contexts"] if each["name"] == ADMIN)
        if account != ADMIN:
            token = admin("create", "token", account, "-n", namespace, "--duration=1h").strip()
            config["users"].append({"name": account, "user": {"token": token}})
            config["contexts"].append({"name": account, "context": {**context["context"], "user": account}})
        file = tmp_path / f"{account}.kubeconfig"
        file.write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(file))
        settings = Settings.load({"backend": "kubernetes", "kube_context": account, "namespace": namespace})
        found = open_backend(settings)
        assert found.place  # which connects, while KUBECONFIG is this
        return found

    before = os.environ["KUBECONFIG"]

    def restored(account: str) -> Backend:
        try:
            return opened(account)
        finally:
            monkeypatch.setenv("KUBECONFIG", before)

    return restored


@pytest.fixture
def scene(backend_of: Callable[[str], Backend]) -> Iterator[Callable[[], Scene]]:
    """A scene of its own for each time that something is done."""
    boss = backend_of(ADMIN)
    made: list[str] = []

    def new() -> Scene:
        made.append(f"mfhera-rbac-{uuid.uuid4().hex[:6]}")
        boss.deploy(plan(made[-1]))
        return Scene(boss, made[-1], boss.trigger(made[-1], {}))

    yield new
    for name in made:
        for each in [status.run for status in boss.runs() if name in status.run]:
            admin("delete", "workflow", each.removeprefix("argo-"), "--wait=false", "--ignore-not-found")
        with suppress(NotDeployedError):
            boss.delete(name)


def test_there_is_an_exercise_for_every_operation() -> None:
    assert EXERCISES.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_needs_what_the_table_says_and_no_verb_less(
    operation: str, person: Person, backend_of: Callable[[str], Backend], scene: Callable[[], Scene]
) -> None:
    needed, backend = OPERATIONS[operation], backend_of(person.account)
    person.may(needed)
    EXERCISES[operation](backend, scene())
    for missing in needed:
        person.may(each for each in needed if each != missing)
        with pytest.raises(BackendError) as raised:
            EXERCISES[operation](backend, scene())
        assert f"lacks the verb {missing.verb!r} on {missing.resource!r}" in str(raised.value)


def test_the_printed_roles_suffice_for_all_that_deployers_do(
    namespace: str, backend_of: Callable[[str], Backend], scene: Callable[[], Scene]
) -> None:
    name = f"mfhera-rbac-{uuid.uuid4().hex[:6]}"
    printed = command(sys.executable, "-m", "metaflow_hera", "rbac", "--namespace", namespace, "--name", name)
    try:
        admin("apply", "-f", "-", text=printed)
        backend = backend_of(f"{name}-deployer")
        for exercise in EXERCISES.values():
            exercise(backend, scene())
    finally:
        admin("delete", "--ignore-not-found", "-f", "-", text=printed)


def test_a_printed_role_suffices_for_pods(cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"mfhera-rbac-{uuid.uuid4().hex[:6]}"
    documents_of_pods: list[dict[str, Any]] = documents(Grants(namespace=namespace, name=name))[1][1]
    listed = {"apiVersion": "v1", "kind": "List", "items": documents_of_pods}
    admin("apply", "-f", "-", text=json.dumps(listed))
    try:
        monkeypatch.setenv("MFHERA_SERVICE_ACCOUNT", f"{name}-pods")
        template = cluster.compile(FLOW, "mfhera-rbac-pods")
        assert cluster.wait(cluster.submit(template)) == "Succeeded"
        role = next(each for each in documents_of_pods if each["kind"] == "Role")
        role["rules"] = rules(each for each in OF_PODS if each.verb != "create")
        admin("apply", "-f", "-", text=json.dumps(role))
        assert cluster.wait(cluster.submit(template)) in ("Error", "Failed")
    finally:
        admin("delete", "--ignore-not-found", "-f", "-", text=json.dumps(listed))
