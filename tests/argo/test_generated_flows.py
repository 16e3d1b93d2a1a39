"""Whatever a flow looks like: Argo would take its manifest, and run what the flow says; the Plan can be read back."""

from __future__ import annotations

import json
import random

import crds
import pytest
from argo_rules import Argo, Decisions, Run, expected, heads
from flow_graphs import One, Sequence, flows, graph_of
from graph_strategies import graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metaflow_hera.argo import yaml_text
from metaflow_hera.argo.manifest import from_manifests, manifests
from metaflow_hera.graph.model import DecoratorSpec, Graph
from metaflow_hera.plan.compile import CompileOptions, compile_plan
from metaflow_hera.plan.records import Parameter, Plan, Schedule

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


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    flow = draw(flows())
    decorated = draw(st.dictionaries(st.sampled_from(list(graph_of(flow).steps)), DECORATORS, max_size=3))
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
        graph_of(flow, decorated),
        options(
            parameters=tuple(parameters),
            schedule=draw(st.sampled_from([None, Schedule(cron="0 10 * * *", timezone="Europe/Berlin")])),
            max_workers=draw(st.integers(1, 1000)),
            namespace=draw(st.sampled_from(["", "team-a"])),
            deadline=draw(st.sampled_from([None, 3600])),
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


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flows(), st.integers(0, 2**32))
def test_argo_runs_the_tasks_that_the_flow_says_in_an_order_that_it_allows(flow: Sequence, seed: int) -> None:
    decisions = Decisions(
        width=lambda run: random.Random(f"{seed} {run}").randint(1, 3),
        choice=lambda run: random.Random(f"{seed} {run}").randint(0, 1),
    )
    cases = dict(heads(flow))

    def outputs(run: Run) -> dict[str, str]:
        branches = cases.get(run[0])
        return {"splits": str(decisions.width(run)), "next": branches[decisions.choice(run)] if branches else ""}

    argo = Argo(compile_plan(graph_of(flow), options()), outputs)
    argo.run()
    wanted = dict(expected(flow, decisions))
    assert sorted(argo.runs) == sorted(wanted)
    place = {run: number for number, run in enumerate(argo.runs)}
    for run, before in wanted.items():
        assert all(place[earlier] < place[run] for earlier in before), f"{run} ran before its inputs were there"


@given(flows())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_names_are_legal_and_different_whatever_the_steps_are_called(flow: Sequence) -> None:
    plan = compile_plan(graph_of(flow), options())
    names = [template.name for template in plan.templates]
    assert len(set(names)) == len(names)
    for name in names:
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
    (document,) = manifests(compile_plan(graph_of(ONE_STEP), options()))
    document["spec"]["templates"][0].update(change)
    assert complaint in " ".join(crds.problems(document))


ONE_STEP = (One("start"), One("end"))
