"""Whatever a flow looks like: Argo would take its manifest, and run what the flow says; the Plan can be read back."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import crds
import pytest
from argo_rules import Argo
from flow_meaning import Decisions, Run, meaning
from graph_strategies import graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metaflow_hera.argo import yaml_text
from metaflow_hera.argo.manifest import from_manifests, manifests
from metaflow_hera.flow.exit_hooks import HookGroup
from metaflow_hera.graph.model import DecoratorSpec, End, Graph, Linear, Step, Switch
from metaflow_hera.plan.compile import CompileOptions, compile_plan
from metaflow_hera.plan.options import Notices
from metaflow_hera.plan.records import Dag, Parameter, Plan, Schedule, Ttl

slowly = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

TEXTS = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)

DECORATORS = st.lists(
    st.one_of(
        st.builds(
            lambda times, minutes: DecoratorSpec(
                name="retry", attributes={"times": times, "minutes_between_retries": minutes}
            ),
            st.integers(0, 4),
            st.sampled_from([0, 1, 0.05, 2]),
        ),
        st.builds(
            lambda seconds: DecoratorSpec(name="timeout", attributes={"seconds": seconds}), st.integers(1, 10**6)
        ),
        st.just(DecoratorSpec(name="catch", attributes={"var": "problem"})),
        st.builds(
            lambda values: DecoratorSpec(name="environment", attributes={"vars": values}),
            st.dictionaries(st.from_regex(r"[A-Z]{1,5}", fullmatch=True), TEXTS.filter(lambda text: "{{" not in text)),
        ),
        st.builds(
            lambda **attributes: DecoratorSpec(name="kubernetes", attributes=attributes),
            cpu=st.sampled_from([None, 1, "0.5"]),
            memory=st.sampled_from([None, 512, "4096"]),
            gpu=st.sampled_from([None, 0, 2]),
            qos=st.sampled_from(["burstable", "Guaranteed"]),
            shared_memory=st.sampled_from([None, 64]),
            use_tmpfs=st.booleans(),
            secrets=st.sampled_from([None, "a,b", ["c"]]),
            image_pull_secrets=st.sampled_from([None, "pull"]),
            persistent_volume_claims=st.sampled_from([None, {"data.set": "/data"}]),
            node_selector=st.sampled_from([None, "disk=ssd,zone=a"]),
            tolerations=st.sampled_from([None, [{"key": "gpu", "operator": "Exists", "toleration_seconds": 5}]]),
            security_context=st.sampled_from([None, {"run_as_user": 1000, "capabilities": {"drop": ["ALL"]}}]),
            port=st.sampled_from([None, 8080]),
            labels=st.sampled_from([None, {"team": "a"}]),
        ),
    ),
    max_size=3,
    unique_by=lambda spec: spec.name,
).map(tuple)


HOOKS = st.lists(
    st.builds(
        HookGroup,
        image=st.sampled_from(["", "python:3.12", "registry/team/hooks@sha256:0a"]),
        on_success=st.booleans(),
        on_error=st.just(True),
    ),
    max_size=3,
    unique_by=lambda group: group.image,
).map(tuple)

NOTICES = st.builds(
    Notices,
    on_error=st.booleans(),
    on_success=st.booleans(),
    secret=st.sampled_from(["", "channels"]),
    link=st.sampled_from(["", "https://argo/workflows/team"]),
    alert_metadata=st.lists(TEXTS.filter(lambda text: "{{" not in text).map("k={}".format), max_size=2).map(tuple),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    graph = draw(graphs(max_leaves=5, decorated=False))
    decorated = draw(st.dictionaries(st.sampled_from(list(graph.steps)), DECORATORS, max_size=3))
    steps = {step.name: replace(step, decorators=(*step.decorators, *decorated.get(step.name, ()))) for step in graph}
    parameters = draw(
        st.lists(
            st.builds(
                Parameter,
                name=st.from_regex(r"[a-zA-Z_]{1,6}", fullmatch=True).filter(lambda name: name != "json"),
                value=TEXTS,
                description=TEXTS,
            ),
            max_size=3,
            unique_by=lambda parameter: parameter.name,
        )
    )
    return compile_plan(
        replace(graph, steps=steps),
        options(
            parameters=tuple(parameters),
            schedule=draw(st.sampled_from([None, Schedule(cron="0 10 * * *", timezone="Europe/Berlin")])),
            max_workers=draw(st.integers(1, 1000)),
            namespace=draw(st.sampled_from(["", "team-a"])),
            deadline=draw(st.sampled_from([None, 3600])),
            priority=draw(st.sampled_from([None, -1, 0, 7])),
            ttl=draw(
                st.sampled_from([None, Ttl(completion=0), Ttl(success=0, failure=0), Ttl(success=60, failure=86_400)])
            ),
            pod_gc=draw(st.sampled_from(["", "OnPodSuccess"])),
            hooks=draw(HOOKS),
            notices=draw(NOTICES),
        ),
    )


def options(**given: object) -> CompileOptions:
    known = {
        "name": "flow",
        "file": "flow.py",
        "store": "s3://bucket/prefix",
        "image": "python:3.11",
        "command": ("python", "-c", "import os\nprint(os.environ['HOME'], '$(HOME)')\n"),
        "code": "data/ab/abcdef",
    }
    return CompileOptions(**{**known, **given})  # type: ignore[arg-type]


@slowly
@given(plans())
def test_a_plan_survives_hera_json_and_yaml(plan: Plan) -> None:
    documents = manifests(plan)
    assert from_manifests(documents) == plan
    assert from_manifests(json.loads(json.dumps(documents))) == plan
    assert from_manifests(yaml_text.load(yaml_text.dump(documents))) == plan


@slowly
@given(graphs(decorated=False))
def test_a_flow_that_passes_the_check_compiles_and_survives_the_way_back(graph: Graph) -> None:
    plan = compile_plan(graph, options())
    documents = manifests(plan)
    assert from_manifests(yaml_text.load(yaml_text.dump(documents))) == plan


@slowly
@given(plans())
def test_the_same_plan_gives_the_same_bytes(plan: Plan) -> None:
    assert yaml_text.dump(manifests(plan)) == yaml_text.dump(manifests(plan))


@crds.required
@slowly
@given(plans())
def test_kubernetes_takes_every_manifest(plan: Plan) -> None:
    for document in manifests(plan):
        assert crds.problems(document) == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(decorated=False), st.integers(0, 2**32))
def test_argo_runs_the_tasks_that_the_flow_says_in_an_order_that_it_allows(graph: Graph, seed: int) -> None:
    def chance(run: Run) -> random.Random:
        return random.Random(f"{seed} {run}")

    decisions = Decisions(
        width=lambda run: chance(run).randint(1, 3),
        choice=lambda run: chance(run).choice([target for target in graph[run[0]].targets if target != run[0]]),
    )

    def outputs(run: Run) -> dict[str, str]:
        switches = isinstance(graph[run[0]].transition, Switch)
        return {"splits": str(decisions.width(run)), "next": decisions.choice(run) if switches else ""}

    argo = Argo(compile_plan(graph, options()), outputs)
    argo.run()
    meant = meaning(graph, decisions)
    assert sorted(argo.runs) == sorted(meant)
    place = {run: number for number, run in enumerate(argo.runs)}
    for run, parents in meant.items():
        assert all(place[parent] < place[run] for parent in parents), f"{run} ran before its inputs were there"


@given(graphs(decorated=False))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_names_are_legal_and_different_whatever_the_steps_are_called(graph: Graph) -> None:
    plan = compile_plan(graph, options())
    names = [template.name for template in plan.templates]
    assert len(set(names)) == len(names)
    tasks = [[task.name for task in template.tasks] for template in plan.templates if isinstance(template, Dag)]
    assert all(len(set(inner)) == len(inner) for inner in tasks)
    for name in (*names, *(name for inner in tasks for name in inner)):
        assert len(name) <= 128
        assert name == name.lower()
        assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-")


@crds.required
@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sidecar": []}, "Additional properties"),
        ({"activeDeadlineSeconds": 5}, "only valid for leaf"),
        ({"parallelism": 0}, "minimum"),
        ({"container": {"image": "x"}}, "at most one template type"),
    ],
)
def test_the_schemas_refuse_what_kubernetes_refuses(change: dict[str, object], complaint: str) -> None:
    """So that the other tests mean something."""
    (document,) = manifests(compile_plan(TWO_STEPS, options()))
    document["spec"]["templates"][0].update(change)
    assert complaint in " ".join(crds.problems(document))


TWO_STEPS = Graph(
    flow="Flow",
    steps={
        "start": Step(name="start", transition=Linear("end")),
        "end": Step(name="end", transition=End()),
    },
)
