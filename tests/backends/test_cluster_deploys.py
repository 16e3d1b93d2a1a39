"""Deployments in a real cluster are changed as one, whoever else is at it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from backend_plans import one_step

from metaflow_hera.argo.manifest import from_manifests
from metaflow_hera.backends.kubernetes_api import KubernetesApi
from metaflow_hera.backends.open import open_backend
from metaflow_hera.errors import BackendError, NotDeployedError
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.records import EventSource, Plan, Schedule, Triggers
from metaflow_hera.records.events import Awaited
from metaflow_hera.settings import Settings

NAME = "atonce"


def triggers(name: str) -> Triggers:
    return Triggers(events=(Awaited(name=name),), source=EventSource(name="webhook", event="metaflow"))


def version(number: int) -> Plan:
    """Every second one has a schedule, and every other one triggers; each has others."""
    schedule = Schedule(cron=f"{number} 10 * * *") if number % 2 else None
    plan = replace(one_step("", NAME), schedule=schedule, triggers=None if schedule else triggers(f"event.{number}"))
    return replace(plan, annotations={**plan.annotations, Annotations.VERSION: str(number)})


@pytest.fixture
def api(cluster_settings: Settings) -> Iterator[KubernetesApi]:
    yield KubernetesApi(cluster_settings)


def test_of_deploys_at_once_one_is_there_whole(cluster_settings: Settings, api: KubernetesApi) -> None:
    for _ in range(5):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: open_backend(cluster_settings).deploy(version(number)), range(4)))
        template, cron, sensor = (api.get(kind, NAME) for kind in ("WorkflowTemplate", "CronWorkflow", "Sensor"))
        assert template is not None
        found = from_manifests([template, *filter(None, (cron, sensor))])
        number = int(found.annotations[Annotations.VERSION])
        assert replace(found, namespace="") == version(number)
        assert (cron is not None) == (version(number).schedule is not None)
        assert (sensor is not None) == (version(number).triggers is not None)


def test_a_deploy_whose_schedule_is_refused_leaves_the_version_before(
    cluster_settings: Settings, api: KubernetesApi
) -> None:
    backend = open_backend(cluster_settings)
    backend.deploy(version(1))
    before = api.get("WorkflowTemplate", NAME), api.get("CronWorkflow", NAME)
    with pytest.raises(BackendError, match=r"cannot update CronWorkflow 'atonce'.*refuses it: .*schedules"):
        backend.deploy(replace(version(3), schedule=Schedule(cron="not a line")))
    assert (api.get("WorkflowTemplate", NAME), api.get("CronWorkflow", NAME)) == before


def test_a_deploy_whose_schedule_is_refused_leaves_the_sensor_of_the_version_before(
    cluster_settings: Settings, api: KubernetesApi
) -> None:
    backend = open_backend(cluster_settings)
    backend.deploy(version(2))
    before = api.get("WorkflowTemplate", NAME), api.get("Sensor", NAME)
    changed = replace(version(4), schedule=Schedule(cron="not a line"))
    with pytest.raises(BackendError, match="cannot create CronWorkflow 'atonce'"):
        backend.deploy(changed)
    assert (api.get("WorkflowTemplate", NAME), api.get("Sensor", NAME)) == before


def test_a_schedule_that_an_operator_has_suspended_stays_so_until_it_is_removed(
    cluster_settings: Settings, api: KubernetesApi
) -> None:
    backend = open_backend(cluster_settings)

    def schedule() -> tuple[object, object]:
        found = api.get("CronWorkflow", NAME)
        assert found is not None
        return found["spec"]["schedules"], found["spec"].get("suspend", False)

    backend.deploy(version(1))
    found = api.get("CronWorkflow", NAME)
    assert found is not None
    api.replace({**found, "spec": {**found["spec"], "suspend": True}})
    backend.deploy(version(3))
    assert schedule() == (["3 10 * * *"], True)
    backend.deploy(version(2))
    backend.deploy(version(3))
    assert schedule() == (["3 10 * * *"], False)


def test_a_sensor_goes_with_its_deployment(cluster_settings: Settings, api: KubernetesApi) -> None:
    backend = open_backend(cluster_settings)
    dotted = replace(version(2), name="at.once")
    backend.deploy(dotted)
    assert backend.deployment("at.once").plan.triggers == dotted.triggers
    assert api.get("Sensor", "at-once") is not None
    other = replace(version(2), name="at-once")
    with pytest.raises(BackendError, match=r"the Sensor 'at-once' in .* is that of the deployment 'at.once'"):
        backend.deploy(other)
    assert api.get("WorkflowTemplate", "at-once") is None
    backend.deploy(replace(other, triggers=None))
    assert api.get("Sensor", "at-once") is not None, "it is not that one's"
    backend.delete("at-once")
    backend.delete("at.once")
    assert api.get("Sensor", "at-once") is None


def test_somebody_elses_sensor_is_left_alone(cluster_settings: Settings, api: KubernetesApi) -> None:
    document = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Sensor",
        "metadata": {"name": NAME, "namespace": api.namespace},
        "spec": {},
    }
    api.create(document)
    try:
        with pytest.raises(BackendError, match=r"there is a Sensor 'atonce' in .* that is none of ours"):
            open_backend(cluster_settings).deploy(version(2))
        assert api.get("WorkflowTemplate", NAME) is None
        open_backend(cluster_settings).deploy(version(1))
        open_backend(cluster_settings).delete(NAME)
        assert api.get("Sensor", NAME) is not None
    finally:
        api.delete("Sensor", NAME)


def test_somebody_elses_template_is_left_alone(cluster_settings: Settings, api: KubernetesApi) -> None:
    spec = {"entrypoint": "x", "templates": [{"name": "x", "suspend": {}}]}
    document = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": NAME, "namespace": api.namespace},
        "spec": spec,
    }
    api.create(document)
    try:
        with pytest.raises(BackendError, match="none of ours; choose another name"):
            open_backend(cluster_settings).deploy(version(1))
    finally:
        api.delete("WorkflowTemplate", NAME)


def test_a_namespace_that_is_not_there_is_told_from_an_empty_one(cluster_settings: Settings) -> None:
    elsewhere = open_backend(replace(cluster_settings, namespace="nosuch-namespace"))
    for look in (elsewhere.deployments, lambda: elsewhere.deployment(NAME)):
        with pytest.raises(BackendError, match="there is no namespace 'nosuch-namespace'; create it"):
            look()
    empty = open_backend(replace(cluster_settings, namespace="kube-public"))
    assert list(empty.deployments()) == []


def test_deleting_leaves_nothing_and_can_be_repeated(cluster_settings: Settings, api: KubernetesApi) -> None:
    backend = open_backend(cluster_settings)
    backend.deploy(version(1))
    backend.delete(NAME)
    assert (api.get("WorkflowTemplate", NAME), api.get("CronWorkflow", NAME)) == (None, None)
    with pytest.raises(NotDeployedError, match="'atonce' is not deployed"):
        backend.delete(NAME)
