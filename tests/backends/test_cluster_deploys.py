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
from metaflow_hera.naming import Annotations
from metaflow_hera.plan.records import Plan, Schedule
from metaflow_hera.settings import Settings

NAME = "atonce"


def version(number: int) -> Plan:
    """Every second one has a schedule; each has another one."""
    schedule = Schedule(cron=f"{number} 10 * * *") if number % 2 else None
    plan = replace(one_step("", NAME), schedule=schedule)
    return replace(plan, annotations={**plan.annotations, Annotations.VERSION: str(number)})


@pytest.fixture
def api(cluster_settings: Settings) -> Iterator[KubernetesApi]:
    yield KubernetesApi(cluster_settings)


def test_of_deploys_at_once_one_is_there_whole(cluster_settings: Settings, api: KubernetesApi) -> None:
    for _ in range(5):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: open_backend(cluster_settings).deploy(version(number)), range(4)))
        template, cron = api.get("WorkflowTemplate", NAME), api.get("CronWorkflow", NAME)
        assert template is not None
        found = from_manifests([template] if cron is None else [template, cron])
        number = int(found.annotations[Annotations.VERSION])
        assert replace(found, namespace="") == version(number)
        assert (cron is not None) == (version(number).schedule is not None)


def test_a_deploy_whose_schedule_is_refused_leaves_the_version_before(
    cluster_settings: Settings, api: KubernetesApi
) -> None:
    backend = open_backend(cluster_settings)
    backend.deploy(version(1))
    before = api.get("WorkflowTemplate", NAME), api.get("CronWorkflow", NAME)
    with pytest.raises(BackendError, match=r"cannot create CronWorkflow 'atonce'.*refuses it: .*schedules"):
        backend.deploy(replace(version(3), schedule=Schedule(cron="not a line")))
    assert (api.get("WorkflowTemplate", NAME), api.get("CronWorkflow", NAME)) == before


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


def test_deleting_leaves_nothing_and_can_be_repeated(cluster_settings: Settings, api: KubernetesApi) -> None:
    backend = open_backend(cluster_settings)
    backend.deploy(version(1))
    backend.delete(NAME)
    assert (api.get("WorkflowTemplate", NAME), api.get("CronWorkflow", NAME)) == (None, None)
    with pytest.raises(NotDeployedError, match="'atonce' is not deployed"):
        backend.delete(NAME)
