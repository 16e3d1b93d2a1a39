"""Manifests: what Hera makes of a Plan, and what is read back."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import crds
import pytest
from hera.shared import global_config
from hera.workflows import DAG, Container, Task, Workflow, WorkflowTemplate

from metaflow_hera.argo.hera_objects import to_cron_workflow, to_workflow_template
from metaflow_hera.argo.manifest import from_manifests, manifests
from metaflow_hera.errors import ManifestError
from metaflow_hera.graph.model import DecoratorSpec, End, Foreach, Graph, Linear, Step
from metaflow_hera.plan.compile import CompileOptions, compile_plan
from metaflow_hera.plan.records import Concurrency, Parameter, Plan, Schedule
from metaflow_hera.runtime.bootstrap import COMMAND

RETRY = (DecoratorSpec(name="retry"), DecoratorSpec(name="kubernetes", attributes={"image_pull_secrets": "pull"}))


def plan(**given: Any) -> Plan:
    steps = {
        "start": Step(name="start", transition=Foreach("fit", "items"), decorators=RETRY),
        "fit": Step(name="fit", transition=Linear("end")),
        "end": Step(name="end", transition=End(), is_join=True),
    }
    options = CompileOptions(
        name="flow",
        file="flow.py",
        store="s3://bucket",
        image="python:3.11",
        command=("python", "-c", "print('$(HOME)')"),
        namespace="team",
        secrets=("s3",),
        parameters=(Parameter(name="alpha", value="0.01", description="Rate"), Parameter(name="needed")),
    )
    return compile_plan(Graph(flow="Flow", steps=steps), options)


def scheduled() -> Plan:
    return replace(plan(), schedule=Schedule(cron="0 10 * * *", timezone="Europe/Berlin"))


def template_of(documents: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(template for template in documents[0]["spec"]["templates"] if template["name"] == name)


def test_the_objects_are_heras_own() -> None:
    template = to_workflow_template(plan())
    assert isinstance(template, WorkflowTemplate)
    flow, start, *_ = template.templates
    assert isinstance(flow, DAG)
    assert isinstance(start, Container)
    assert all(isinstance(task, Task) for task in flow.tasks)


def test_a_user_may_change_the_template_with_hera() -> None:
    template = to_workflow_template(plan())
    template.parallelism = 5
    assert template.to_dict()["spec"]["parallelism"] == 5


def test_a_workflow_that_is_being_written_elsewhere_gets_nothing_of_ours() -> None:
    with Workflow(name="mine", entrypoint="x") as mine:
        to_workflow_template(plan())
    assert mine.templates == []


@contextmanager
def heras_configuration(**values: Any) -> Iterator[None]:
    kept = dict(vars(global_config))
    try:
        for name, value in values.items():
            setattr(global_config, name, value)
        global_config.set_class_defaults(Container, termination_message_policy="FallbackToLogsOnError")
        yield
    finally:
        global_config.reset()
        vars(global_config).update(kept)


def test_somebody_elses_settings_of_hera_change_nothing_and_are_kept() -> None:
    ours = manifests(plan())
    with heras_configuration(namespace="elsewhere", service_account_name="robot", image="other", api_version="v0"):
        assert manifests(plan()) == ours
        assert global_config.namespace == "elsewhere"


def test_parameters_keep_their_defaults_and_required_ones_have_none() -> None:
    assert manifests(plan())[0]["spec"]["arguments"]["parameters"] == [
        {"name": "alpha", "value": "0.01", "description": "Rate"},
        {"name": "needed"},
    ]


def test_the_kubelet_is_kept_from_replacing_variables() -> None:
    assert template_of(manifests(plan()), "fit")["container"]["command"][2] == "print('$$(HOME)')"


def test_retries_are_of_any_kind_of_failure() -> None:
    assert template_of(manifests(plan()), "start")["retryStrategy"] == {
        "limit": "3",
        "retryPolicy": "Always",
        "backoff": {"duration": "2m"},
    }
    assert "retryStrategy" not in template_of(manifests(plan()), "fit")


def test_an_unscheduled_flow_has_no_cron_workflow() -> None:
    assert to_cron_workflow(plan()) is None
    assert len(manifests(plan())) == 1


@crds.required
def test_a_scheduled_flow_has_one_that_refers_to_its_template() -> None:
    _, cron = manifests(scheduled())
    assert crds.problems(cron) == []
    assert cron["metadata"]["name"] == "flow"
    assert cron["spec"] == {
        "schedules": ["0 10 * * *"],
        "timezone": "Europe/Berlin",
        "concurrencyPolicy": "Allow",
        "startingDeadlineSeconds": 3540,
        "successfulJobsHistoryLimit": 10_000,
        "failedJobsHistoryLimit": 10_000,
        "workflowSpec": {"workflowTemplateRef": {"name": "flow"}},
    }


@crds.required
def test_a_schedule_says_what_of_it_is_not_as_usual() -> None:
    schedule = Schedule(
        cron="0 10 * * *", concurrency=Concurrency.FORBID, starting_deadline=0, successful_runs=5, failed_runs=0
    )
    template, cron = manifests(replace(plan(), schedule=schedule))
    assert crds.problems(cron) == []
    known = {name: cron["spec"][name] for name in cron["spec"] if name not in ("schedules", "timezone", "workflowSpec")}
    assert known == {
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 0,
        "successfulJobsHistoryLimit": 5,
        "failedJobsHistoryLimit": 0,
    }
    assert from_manifests([template, cron]).schedule == schedule


def test_the_schedule_is_read_back() -> None:
    assert from_manifests(manifests(scheduled())) == scheduled()


def test_what_kubernetes_and_argo_add_is_not_in_the_way() -> None:
    documents = manifests(scheduled())
    for document in documents:
        document["metadata"] |= {"uid": "x", "resourceVersion": "1", "generation": 1, "creationTimestamp": "2026-01-01"}
        document["metadata"].setdefault("annotations", {})["kubectl.kubernetes.io/last-applied-configuration"] = "{}"
        document["metadata"].setdefault("labels", {})["workflows.argoproj.io/creator"] = "admin"
    documents[1]["status"] = {"active": []}
    for template in documents[0]["spec"]["templates"]:
        for empty in ("inputs", "outputs", "metadata"):
            template.setdefault(empty, {})
        if "container" in template:
            template["container"] |= {"name": "", "resources": {}}
        for task in template.get("dag", {}).get("tasks", []):
            task.setdefault("arguments", {})
    assert from_manifests(documents) == scheduled()


CHANGES: list[tuple[str, Any, str]] = [
    ("0.spec.templates.1.sidecars", [{"name": "x"}], "template 'start': 'sidecars' is not in our subset of Argo"),
    ("0.spec.templates.1.container.lifecycle", {}, "template 'start': container: 'lifecycle' is not in our subset"),
    ("0.spec.templates.1.container.args.0", "{{=1+1}}", "'{{=1+1}}' is none of the references that we write"),
    ("0.spec.templates.1.container.command.2", "$(HOME)", "refers to an environment variable"),
    ("0.spec.templates.1.container.command.1", "{{workflow.annotations.metaflow-hera/program}}", "refers to something"),
    ("0.spec.workflowMetadata.annotations", {"mine": "x"}, "annotations: 'mine' is not in our subset"),
    ("0.spec.templates.1.container.image", 3, "'image' must be a text, not 3"),
    ("0.spec.templates.1.container.env.0.valueFrom", {}, "env 'MFHERA_POD_DIR': 'valueFrom' is not in our subset"),
    ("0.spec.templates.1.retryStrategy.limit", None, "'limit' is missing"),
    ("0.spec.templates.1.retryStrategy.retryPolicy", "OnError", "our subset of Argo has 'Always' there only"),
    ("0.spec.templates.1.retryStrategy.backoff.factor", 2, "backoff: 'factor' is not in our subset"),
    ("0.spec.templates.1.podSpecPatch", "{", "is not JSON"),
    ("0.spec.templates.1.podSpecPatch", '{"hostNetwork":true}', "'hostNetwork' is not in our subset"),
    ("0.spec.templates.1.volumes.0.secret", {}, "volumes 'pod': 'secret' is not in our subset"),
    ("0.spec.templates.1.volumes.0", {"name": "pod", "hostPath": {}}, "only emptyDir and persistentVolumeClaim"),
    ("0.spec.templates.1.outputs.parameters.0.valueFrom.path", "/etc/x", "'/etc/x' is not below /tmp/mfhera"),
    ("0.spec.templates.1.inputs.artifacts.0.raw.data", "x", "our subset of Argo has"),
    ("0.spec.templates.0.dag.tasks.1.depends", "start", "depends 'start' is not in our subset of Argo"),
    ("0.spec.templates.0.dag.tasks.1.depends", "a.Succeeded && b.Failed", "is not in our subset"),
    ("0.spec.templates.0.dag.tasks.1.withParam", "[1]", "tasks 'foreach-start': 'withParam' is not in our subset"),
    ("0.spec.templates.0.dag.tasks.1.withItems", [0, "1"], "'withItems' must hold indexes, not '1'"),
    ("0.spec.templates.0.dag.tasks.1.withItems", [True], "'withItems' must hold indexes, not True"),
    ("0.spec.templates.0.dag.tasks.1.withItems", [-1], "'withItems' must hold indexes, not -1"),
    ("0.spec.templates.0.dag.tasks.1.template", "gone", "has no template 'gone'"),
    ("0.spec.templates.0.dag.failFast", False, "template 'flow': dag: 'failFast' is not in our subset"),
    ("0.spec.templates.0", {"name": "flow", "script": {}}, "template 'flow': only container, dag and steps"),
    ("0.spec.templates.4.name", "fit", "two templates of one name"),
    ("0.spec.onExit", "gone", "has no template 'gone'"),
    ("0.spec.hooks", {"exit": {}}, "spec: 'hooks' is not in our subset"),
    ("0.spec.entrypoint", None, "'entrypoint' is missing"),
    ("0.kind", "Workflow", "expected one WorkflowTemplate"),
    ("0.apiVersion", "argoproj.io/v2", "our subset of Argo has 'argoproj.io/v1alpha1' there only"),
    ("0.metadata.annotations.metaflow-hera/schedule", "{", "'metaflow-hera/schedule' is '{', which is no schedule"),
    ("0.metadata.annotations.metaflow-hera/schedule", None, "has no schedule, but there is a CronWorkflow"),
    ("1.spec.schedules", ["* * * * *", "1 * * * *"], "our subset of Argo has ['0 10 * * *'] there only"),
    ("1.spec.concurrencyPolicy", "Forbid", "'concurrencyPolicy' is 'Forbid'"),
    ("1.spec.workflowSpec.workflowTemplateRef.name", "other", "'workflowSpec' is"),
]


@pytest.mark.parametrize(("place", "value", "complaint"), CHANGES, ids=[place for place, _, _ in CHANGES])
def test_what_is_not_in_our_subset_is_refused_with_its_place(place: str, value: Any, complaint: str) -> None:
    documents: Any = copy.deepcopy(manifests(scheduled()))
    *folders, last = [int(part) if part.isdigit() else part for part in place.split(".")]
    holder = documents
    for folder in folders:
        holder = holder[folder]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    with pytest.raises(ManifestError) as error:
        from_manifests(documents)
    assert complaint in str(error.value)


PROGRAM = "import os\nprint('$(HOME)', os.environ['HOME'])\n"


def with_program(program: str) -> Plan:
    changed = [
        replace(template, command=("python", "-c", program)) if hasattr(template, "command") else template
        for template in plan().templates
    ]
    return replace(plan(), templates=tuple(changed))


def test_the_program_that_all_containers_start_is_written_once() -> None:
    (document,) = manifests(with_program(PROGRAM))
    assert json.dumps(document).count("environ") == 1
    annotation = document["spec"]["workflowMetadata"]["annotations"]["metaflow-hera/program"]
    assert annotation == PROGRAM.replace("$", "$$")
    assert template_of([document], "fit")["container"]["command"] == [
        "python",
        "-c",
        "{{workflow.annotations.metaflow-hera/program}}",
    ]
    assert from_manifests([document]) == with_program(PROGRAM)


@pytest.mark.parametrize("program", ["print(1)", "print('é')\n", "print('\x07')\n"])
def test_a_program_that_is_short_or_that_argo_could_not_substitute_stays_in_its_place(program: str) -> None:
    documents = manifests(with_program(program))
    assert template_of(documents, "fit")["container"]["command"][2] == program
    assert from_manifests(documents) == with_program(program)


def test_a_small_flow_has_a_small_manifest() -> None:
    """The peer's has 46 kB."""
    steps = {"start": Step(name="start", transition=Linear("end")), "end": Step(name="end", transition=End())}
    options = CompileOptions(
        name="parameterflow",
        file="parameter_flow.py",
        store="s3://bucket/prefix",
        code=f"data/ab/{'a' * 64}",
        image="python:3.11",
        command=COMMAND,
        parameters=(Parameter(name="alpha", value="0.01", description="Learning rate"),),
    )
    (document,) = manifests(compile_plan(Graph(flow="ParameterFlow", steps=steps), options))
    assert len(json.dumps(document, separators=(",", ":"))) < 6600


def test_reading_a_manifest_takes_no_import_of_hera() -> None:
    """The embedded engine reads many, and starts anew after each reboot."""
    program = "import sys, metaflow_hera.argo.manifest; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"hera", "yaml", "pydantic", "cronsim"} & set(loaded)
