"""What a flow's Plan holds, from the graph alone."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest

from metaflow_hera.command import ExitCommand, TaskCommand
from metaflow_hera.errors import FlowError, NamingError
from metaflow_hera.flow.exit_hooks import HookGroup
from metaflow_hera.graph.model import DecoratorSpec, End, Foreach, Graph, Linear, Split, Step, Switch, Transition
from metaflow_hera.plan.compile import CompileOptions, compile_plan
from metaflow_hera.plan.options import Notices, PodDefaults
from metaflow_hera.plan.records import Container, Dag, Parameter, Plan, Retry, Schedule, Steps, Task, Triggers
from metaflow_hera.plan.text import (
    AllOf,
    AnyOf,
    Input,
    Item,
    Never,
    OutputIs,
    Retries,
    StatusIs,
    StatusIsNot,
    Succeeded,
    TaskOutput,
    WorkflowName,
    WorkflowStatus,
    render,
    text,
)
from metaflow_hera.records.codec import decode
from metaflow_hera.records.events import Awaited


def graph(transitions: Mapping[str, Transition], *, joins: str = "", **decorators: DecoratorSpec) -> Graph:
    steps = {
        name: Step(
            name=name,
            transition=transition,
            is_join=name in joins.split(),
            decorators=(decorators[name],) if name in decorators else (),
        )
        for name, transition in transitions.items()
    }
    return Graph(flow="Flow", steps=steps)


def options(**given: object) -> CompileOptions:
    known = {
        "name": "flow",
        "file": "f.py",
        "store": "s3://b/p",
        "image": "python:3.11",
        "command": ("python", "-c", "x"),
    }
    return CompileOptions(**{**known, **given})  # type: ignore[arg-type]


def spec(name: str, **attributes: object) -> DecoratorSpec:
    return DecoratorSpec(name=name, attributes=attributes)


def compiled(transitions: Mapping[str, Transition], *, joins: str = "", **decorators: DecoratorSpec) -> Plan:
    return compile_plan(graph(transitions, joins=joins, **decorators), options())


def tasks(plan: Plan, dag: str) -> dict[str, Task]:
    template = plan.by_name[dag]
    assert isinstance(template, Dag)
    return {task.name: task for task in template.tasks}


def container(plan: Plan, name: str) -> Container:
    template = plan.by_name[name]
    assert isinstance(template, Container)
    return template


def command(container: Container) -> TaskCommand:
    return TaskCommand.parse([render(word) for word in container.args])


LINEAR: Mapping[str, Transition] = {"start": Linear("end"), "end": End()}


def test_a_chain_waits_for_the_success_of_what_comes_before() -> None:
    plan = compiled({"start": Linear("a"), "a": Linear("end"), "end": End()})
    assert plan.entrypoint == plan.templates[0].name == "flow"
    assert {name: task.depends for name, task in tasks(plan, "flow").items()} == {
        "start": None,
        "a": Succeeded("start"),
        "end": Succeeded("a"),
    }


def test_a_join_waits_for_every_branch() -> None:
    plan = compiled(
        {"start": Split(("a", "b")), "a": Linear("j"), "b": Linear("j"), "j": Linear("end"), "end": End()}, joins="j"
    )
    assert tasks(plan, "flow")["j"].depends == AllOf((Succeeded("a"), Succeeded("b")))


def test_a_foreach_of_one_step_is_a_wrapper_that_limits_its_parallelism() -> None:
    flow = graph({"start": Foreach("a", "xs"), "a": Linear("j"), "j": Linear("end"), "end": End()}, joins="j")
    plan = compile_plan(flow, options(max_workers=7))
    assert tasks(plan, "flow")["foreach-start"] == Task(
        name="foreach-start",
        template="foreach-start",
        depends=Succeeded("start"),
        arguments=(("splits", text(TaskOutput("start", "splits"))),),
    )
    assert tasks(plan, "flow")["j"].depends == Succeeded("foreach-start")
    assert plan.by_name["foreach-start"] == Dag(
        name="foreach-start",
        inputs=("splits",),
        parallelism=7,
        tasks=(Task(name="a", template="a", arguments=(("path", text(Item())),), count=text(Input("splits"))),),
    )
    assert container(plan, "start").outputs == (("splits", "out/splits"),)
    assert container(plan, "a").inputs == ("path",)
    assert command(container(plan, "a")).path == "{{inputs.parameters.path}}"
    assert command(container(plan, "j")).path == "0"


def test_a_nested_foreach_hands_the_path_down() -> None:
    plan = compiled(
        {
            "start": Foreach("a", "xs"),
            "a": Foreach("b", "ys"),
            "b": Linear("jb"),
            "jb": Linear("ja"),
            "ja": Linear("end"),
            "end": End(),
        },
        joins="jb ja",
    )
    body = plan.by_name["item-start"]
    assert isinstance(body, Dag)
    assert body.inputs == ("path",)
    assert tasks(plan, "item-start")["foreach-a"].arguments == (
        ("path", text(Input("path"))),
        ("splits", text(TaskOutput("a", "splits"))),
    )
    (fan_out,) = tasks(plan, "foreach-a").values()
    assert fan_out.arguments == (("path", text(Input("path"), ".", Item())),)
    assert tasks(plan, "item-start")["jb"].depends == Succeeded("foreach-a")


SWITCH: Mapping[str, Transition] = {
    "start": Switch((("x", "a"), ("y", "b")), "kind"),
    "a": Linear("meet"),
    "b": Linear("meet"),
    "meet": Linear("end"),
    "end": End(),
}


def test_a_switch_starts_the_branch_that_it_names_and_goes_on_after_either() -> None:
    plan = compiled(SWITCH)
    assert container(plan, "start").outputs == (("next", "out/next"),)
    assert tasks(plan, "flow")["a"].when == OutputIs("start", "next", "a")
    assert tasks(plan, "flow")["a"].depends == Succeeded("start")
    assert tasks(plan, "flow")["meet"].depends == AnyOf((Succeeded("a"), Succeeded("b")))
    assert tasks(plan, "flow")["meet"].when is None


def test_a_branch_of_a_split_may_end_in_a_switch() -> None:
    plan = compiled(
        {
            "start": Split(("s", "c")),
            "s": Switch((("x", "a"), ("y", "b")), "kind"),
            "a": Linear("j"),
            "b": Linear("j"),
            "c": Linear("j"),
            "j": Linear("end"),
            "end": End(),
        },
        joins="j",
    )
    assert tasks(plan, "flow")["j"].depends == AllOf((AnyOf((Succeeded("a"), Succeeded("b"))), Succeeded("c")))


def test_a_way_past_the_branches_of_a_switch_is_a_task_that_does_nothing() -> None:
    """The same for all of them: by the status of the tasks around it nobody could tell ``meet`` from ``end``."""
    shortcuts = Switch((("x", "a"), ("y", "meet"), ("z", "end")), "kind")
    plan = compiled({"start": shortcuts, "a": Linear("meet"), "meet": Linear("end"), "end": End()})
    flow = tasks(plan, "flow")

    assert flow["a"].when == OutputIs("start", "next", "a")
    assert flow["start-to-meet"] == Task(
        name="start-to-meet",
        template="shortcut",
        depends=Succeeded("start"),
        when=OutputIs("start", "next", "meet"),
    )
    assert flow["meet"].depends == AnyOf((Succeeded("start-to-meet"), Succeeded("a")))
    assert flow["end"].depends == AnyOf((Succeeded("start-to-end"), Succeeded("meet")))
    assert (flow["meet"].when, flow["end"].when) == (None, None)
    nothing = Task(name="nothing", template="exit", when=Never())
    assert plan.by_name["shortcut"] == Steps(name="shortcut", tasks=(nothing,))


def test_a_flow_without_such_a_way_has_no_template_for_it() -> None:
    assert "shortcut" not in compiled(SWITCH).by_name


def test_a_switch_may_lead_straight_to_the_join_of_its_branch() -> None:
    plan = compiled(
        {
            "start": Split(("s", "c")),
            "s": Switch((("x", "a"), ("y", "j")), "kind"),
            "a": Linear("j"),
            "c": Linear("j"),
            "j": Linear("end"),
            "end": End(),
        },
        joins="j",
    )
    assert tasks(plan, "flow")["j"].depends == AllOf((AnyOf((Succeeded("s-to-j"), Succeeded("a"))), Succeeded("c")))


def test_a_switch_in_a_foreach_that_leads_straight_to_the_join_needs_nothing_more() -> None:
    plan = compiled(
        {
            "start": Foreach("s", "xs"),
            "s": Switch((("x", "a"), ("y", "j")), "kind"),
            "a": Linear("j"),
            "j": Linear("end"),
            "end": End(),
        },
        joins="j",
    )
    assert list(tasks(plan, "item-start")) == ["s", "a"]
    assert tasks(plan, "flow")["j"].depends == Succeeded("foreach-start")


def test_a_gang_has_no_limit_for_all_of_it_runs_at_once() -> None:
    flow = graph({"start": Foreach("a", "", gang=True), "a": Linear("j"), "j": Linear("end"), "end": End()}, joins="j")
    plan = compile_plan(flow, options(max_workers=7))

    fan = plan.by_name["foreach-start"]
    assert isinstance(fan, Dag)
    assert fan.parallelism is None
    assert container(plan, "start").outputs == (("splits", "out/splits"),)


def test_a_step_that_may_repeat_itself_or_go_on_in_several_ways_says_which() -> None:
    loop = Switch((("again", "a"), ("x", "b"), ("y", "end")), "kind")
    plan = compiled({"start": Linear("a"), "a": loop, "b": Linear("end"), "end": End()})

    assert container(plan, "a").outputs == (("next", "out/next"),)
    assert tasks(plan, "flow")["a"].depends == Succeeded("start")
    assert tasks(plan, "flow")["b"].when == OutputIs("a", "next", "b")
    assert tasks(plan, "flow")["end"].depends == AnyOf((Succeeded("a-to-end"), Succeeded("b")))


def test_a_flow_of_one_step_is_a_container_that_begins_and_ends_it() -> None:
    plan = compile_plan(
        Graph(flow="Flow", steps={"only": Step(name="only", transition=End())}, start="only", end="only"), options()
    )
    assert list(tasks(plan, "flow")) == ["only"]
    assert container(plan, "only").parameters_file == "parameters"


def test_a_step_that_only_repeats_itself_is_one_task_without_outputs() -> None:
    plan = compiled({"start": Switch((("again", "start"), ("on", "end")), "kind"), "end": End()})
    assert container(plan, "start").outputs == ()
    assert tasks(plan, "flow")["end"].when is None
    assert tasks(plan, "flow")["end"].depends == Succeeded("start")


def test_the_start_step_alone_gets_the_parameters() -> None:
    plan = compiled(LINEAR)
    assert container(plan, "start").parameters_file == "parameters"
    assert container(plan, "end").parameters_file == ""


def test_a_command_tells_its_container_everything() -> None:
    plan = compile_plan(
        graph(LINEAR), options(code="data/ab/abc", decorators=("retry:times=2",), user="me", tags=("a", "b c"))
    )
    assert command(container(plan, "end")) == TaskCommand(
        flow="Flow",
        file="f.py",
        step="end",
        run="argo-{{workflow.name}}",
        path="0",
        store="s3://b/p",
        code="data/ab/abc",
        decorators=("retry:times=2",),
        deployment="flow",
        user="me",
        tags=("a", "b c"),
        publishes=("metaflow.Flow.end",),
    )


def test_a_local_run_has_its_own_id() -> None:
    plan = compile_plan(graph(LINEAR), options(run=text("1234")))
    assert command(container(plan, "start")).run == "1234"


def test_after_anything_but_success_a_container_writes_the_end_of_the_run() -> None:
    plan = compiled(LINEAR)
    on_exit = plan.by_name[plan.on_exit]
    assert isinstance(on_exit, Steps)
    (task,) = on_exit.tasks
    assert task.when == StatusIsNot("Succeeded")
    words = container(plan, task.template).args
    assert ExitCommand.parse([render(word) for word in words]) == ExitCommand(
        flow="Flow", run="argo-{{workflow.name}}", status="{{workflow.status}}", store="s3://b/p"
    )
    assert text(WorkflowStatus()) in words
    assert text("argo-", WorkflowName()) in words


@pytest.mark.parametrize(
    ("decorators", "retry", "attempt", "retries"),
    [
        ((), None, "0", "0"),
        ((spec("retry"),), Retry(limit=3, backoff=120), "{{retries}}", "3"),
        ((spec("retry", times=1, minutes_between_retries=0.5),), Retry(limit=1, backoff=30), "{{retries}}", "1"),
        ((spec("retry", times=0),), None, "0", "0"),
        ((spec("catch", var="problem"),), Retry(limit=1), "{{retries}}", "0"),
        ((spec("retry", times=2), spec("catch")), Retry(limit=3, backoff=120), "{{retries}}", "2"),
    ],
)
def test_retries_are_what_the_user_allows_and_one_more_for_catch(
    decorators: tuple[DecoratorSpec, ...], retry: Retry | None, attempt: str, retries: str
) -> None:
    steps = {
        "start": Step(name="start", transition=Linear("end"), decorators=decorators),
        "end": Step(name="end", transition=End()),
    }
    start = container(compile_plan(Graph(flow="Flow", steps=steps), options()), "start")
    assert start.retry == retry
    assert (command(start).attempt, command(start).retries) == (attempt, retries)
    assert (text(Retries()) in start.args) is (retry is not None)


def test_a_timeout_leaves_a_minute_to_write_down_what_happened() -> None:
    assert container(compiled(LINEAR, start=spec("timeout", minutes=2, seconds=5)), "start").deadline == 185


def test_a_container_without_wishes_asks_the_cluster_for_nothing() -> None:
    start = container(compiled(LINEAR), "start")
    assert (start.requests, start.limits) == ({}, {})


def test_kubernetes_says_what_the_pod_is() -> None:
    wanted = spec(
        "kubernetes",
        image="other:1",
        cpu="2",
        memory=512,
        disk=1000,
        gpu=1,
        gpu_vendor="amd",
        service_account="robot",
        secrets="one,two",
        node_selector="disk=ssd, zone=a",
        tolerations=[{"key": "gpu", "toleration_seconds": 5}],
        labels={"team": "a"},
        annotations={"note": "b"},
        image_pull_policy="Always",
        image_pull_secrets=["pull"],
        port=8080,
        security_context={"run_as_user": 1000},
        persistent_volume_claims={"data": "/data"},
        shared_memory=64,
        use_tmpfs=True,
        executable="/opt/python",
    )
    start = container(compiled(LINEAR, start=wanted), "start")
    assert start.image == "other:1"
    assert start.command == ("/opt/python", "-c", "x")
    assert start.requests == {"amd.com/gpu": "1", "cpu": "2", "ephemeral-storage": "1000M", "memory": "512M"}
    assert start.limits == {"amd.com/gpu": "1"}
    assert (start.service_account, start.secrets, start.ports) == ("robot", ("one", "two"), (8080,))
    assert start.node_selector == {"disk": "ssd", "zone": "a"}
    assert start.tolerations == ({"key": "gpu", "tolerationSeconds": 5},)
    assert start.security_context == {"runAsUser": 1000}
    assert (start.image_pull_policy, start.image_pull_secrets) == ("Always", ("pull",))
    assert start.labels == {"team": "a"}
    assert start.annotations == {"note": "b", "metaflow-hera/step": "start"}
    assert {volume.path for volume in start.volumes} == {"/tmp/mfhera", "/metaflow_temp", "/dev/shm", "/data"}
    assert start.env["TMPDIR"] == "/metaflow_temp"


def test_of_two_wishes_the_larger_counts() -> None:
    steps = {
        "start": Step(
            name="start",
            transition=End(),
            decorators=(spec("kubernetes", cpu=1, memory="8000"), spec("resources", cpu="2.0", memory=1000)),
        )
    }
    start = container(compile_plan(Graph(flow="Flow", steps=steps, end="start"), options()), "start")
    assert start.requests == {"cpu": "2", "memory": "8000M"}


def test_a_guaranteed_pod_is_limited_to_what_it_requests() -> None:
    start = container(compiled(LINEAR, start=spec("kubernetes", qos="Guaranteed", cpu=2)), "start")
    assert start.requests == start.limits == {"cpu": "2", "memory": "4096M"}


def test_secrets_and_environment_of_settings_reach_every_container() -> None:
    flow = graph(LINEAR, start=spec("environment", vars={"A": "$(B)", "MFHERA_POD_DIR": "elsewhere"}))
    plan = compile_plan(flow, options(secrets=("s3",), env={"MFHERA_S3_REGION": "x"}))
    assert container(plan, "start").env == {"A": "$(B)", "MFHERA_S3_REGION": "x", "MFHERA_POD_DIR": "/tmp/mfhera"}
    for name in ("start", "end", "exit"):
        assert container(plan, name).secrets == ("s3",)
        assert container(plan, name).env["MFHERA_S3_REGION"] == "x"


@pytest.mark.parametrize(
    "wanted",
    [
        spec("environment", vars={"A": "{{workflow.name}}"}),
        spec("kubernetes", image="x{{y"),
        spec("kubernetes", labels={"a": "{{"}),
        spec("kubernetes", persistent_volume_claims={"data": "/{{"}),
    ],
    ids=str,
)
def test_nothing_of_the_users_is_left_for_argo_to_evaluate(wanted: DecoratorSpec) -> None:
    with pytest.raises(NamingError, match="Argo would evaluate"):
        compiled(LINEAR, start=wanted)


@pytest.mark.parametrize("field", ["file", "store", "user", "code"])
def test_no_option_is_left_for_argo_to_evaluate(field: str) -> None:
    with pytest.raises(NamingError, match="Argo would evaluate"):
        compile_plan(graph(LINEAR), options(**{field: "a{{workflow.name}}"}))


def test_all_problems_are_told_at_once() -> None:
    flow = graph(LINEAR, start=spec("kubernetes", namespace="other"), end=spec("kubernetes", compute_pool="p"))
    parameters = (Parameter(name="a b"), Parameter(name="json", value=""), Parameter(name="x", value="1"))
    with pytest.raises(FlowError) as error:
        compile_plan(flow, options(max_workers=0, parameters=parameters, schedule=Schedule(cron="* * * * *")))
    told = str(error.value)
    for part in ("max-workers", "'a b'", "'json'", "no default", "namespace 'other'", "compute_pool 'p'"):
        assert part in told


def test_a_flow_larger_than_argo_takes_is_refused() -> None:
    names = ["start", *(f"s{number}" for number in range(200)), "end"]
    chain: dict[str, Transition] = {name: Linear(following) for name, following in pairwise(names)}
    with pytest.raises(NamingError, match="202 steps make 205 templates, and Argo takes 200"):
        compiled({**chain, "end": End()})


def test_a_name_that_argo_cannot_hold_is_refused() -> None:
    with pytest.raises(NamingError, match="'Not Legal'"):
        compile_plan(graph(LINEAR), options(name="Not Legal"))


def test_steps_may_be_called_like_our_own_templates() -> None:
    plan = compiled(
        {
            "start": Linear("flow"),
            "flow": Linear("exit"),
            "exit": Linear("on_exit"),
            "on_exit": Linear("end"),
            "end": End(),
        }
    )
    assert len(plan.by_name) == len(plan.templates)
    assert [command(container(plan, name)).step for name in ("flow", "exit", "on-exit")] == ["flow", "exit", "on_exit"]


def test_the_same_flow_and_options_give_the_same_plan() -> None:
    assert compiled(SWITCH) == compiled(dict(reversed(SWITCH.items())))


def exit_tasks(plan: Plan) -> tuple[Task, ...]:
    on_exit = plan.by_name[plan.on_exit]
    assert isinstance(on_exit, Steps)
    return on_exit.tasks


def exit_command(plan: Plan, name: str) -> ExitCommand:
    return ExitCommand.parse([render(word) for word in container(plan, name).args])


@pytest.mark.parametrize(
    ("groups", "notices", "whens"),
    [
        ((), Notices(on_error=True), (StatusIsNot("Succeeded"),)),
        ((), Notices(on_success=True), (None,)),
        ((HookGroup("", on_error=True),), Notices(), (StatusIsNot("Succeeded"),)),
        ((HookGroup("", on_success=True),), Notices(), (None,)),
        ((HookGroup("i:1", on_success=True),), Notices(), (StatusIsNot("Succeeded"), StatusIs("Succeeded"))),
        ((HookGroup("i:1", on_error=True),), Notices(), (StatusIsNot("Succeeded"), StatusIsNot("Succeeded"))),
        (
            (HookGroup("i:1", on_success=True, on_error=True), HookGroup("", on_success=True)),
            Notices(),
            (None, None),
        ),
    ],
)
def test_a_pod_at_the_exit_starts_only_after_the_ends_that_it_has_work_for(
    groups: tuple[HookGroup, ...], notices: Notices, whens: tuple[object, ...]
) -> None:
    plan = compile_plan(graph(LINEAR), options(hooks=groups, notices=notices))
    tasks = exit_tasks(plan)
    assert tuple(task.when for task in tasks) == whens
    assert all(task.is_forgiven for task in tasks)
    assert all(container(plan, task.template).deadline == 3600 for task in tasks)


def test_hooks_of_another_image_have_a_container_of_it_after_the_one_that_writes_the_end() -> None:
    groups = (HookGroup("", on_error=True), HookGroup("hooks:1", on_success=True), HookGroup("hooks:2", on_error=True))
    plan = compile_plan(
        graph(LINEAR), options(hooks=groups, secrets=("s3",), env={"MFHERA_S3_ENDPOINT_URL": "http://s"})
    )
    names = [task.template for task in exit_tasks(plan)]
    assert names == ["exit", "exit-hooks", "exit-hooks-2"]
    assert [container(plan, name).image for name in names] == ["python:3.11", "hooks:1", "hooks:2"]
    assert [exit_command(plan, name).image for name in names] == ["", "hooks:1", "hooks:2"]
    assert {exit_command(plan, name).file for name in names} == {"f.py"}
    assert {container(plan, name).secrets for name in names} == {("s3",)}
    assert {container(plan, name).env["MFHERA_S3_ENDPOINT_URL"] for name in names} == {"http://s"}


def test_the_secret_of_the_channels_is_named_by_the_container_that_tells_people_and_may_be_missing() -> None:
    notices = Notices(on_error=True, secret="channels", link="https://argo/workflows/team")
    groups = (HookGroup("hooks:1", on_error=True),)
    plan = compile_plan(graph(LINEAR), options(notices=notices, hooks=groups))
    assert container(plan, "exit").optional_secrets == ("channels",)
    assert container(plan, "exit-hooks").optional_secrets == ()
    assert exit_command(plan, "exit").notify == ("error",)
    assert exit_command(plan, "exit").secret == "channels"
    assert exit_command(plan, "exit-hooks").secret == ""
    assert exit_command(plan, "exit").link == "https://argo/workflows/team/{{workflow.name}}"
    assert exit_command(plan, "exit-hooks").notify == ()


def test_a_secret_that_is_named_twice_is_one_of_the_container_that_writes_the_end() -> None:
    plan = compile_plan(
        graph(LINEAR), options(secrets=("s3", "own", "s3"), notices=Notices(on_error=True, secret="own"))
    )
    assert container(plan, "exit").secrets == ("s3", "own")
    assert container(plan, "exit").optional_secrets == ()


def test_without_hooks_the_exit_costs_nothing_more() -> None:
    plan = compiled(LINEAR)
    (task,) = exit_tasks(plan)
    assert (task.when, task.is_forgiven) == (StatusIsNot("Succeeded"), False)
    assert (container(plan, "exit").retry, container(plan, "exit").requests) == (None, {})


DEFAULTS = PodDefaults(
    node_selector={"disk": "ssd"},
    tolerations=({"key": "spot"},),
    labels={"team": "a", "cost": "1"},
    annotations={"note": "x"},
    cpu="0.5",
    memory="512",
    disk="100",
    shared_memory="64",
    registry="registry.local/",
    image_pull_policy="Always",
    image_pull_secrets=("pull",),
    env_to_skip=frozenset({"SECRET_NAME"}),
)


def test_what_the_settings_say_of_pods_holds_for_steps_that_say_nothing_and_for_the_exit() -> None:
    plan = compile_plan(graph(LINEAR), options(pod=DEFAULTS, env={"SECRET_NAME": "x", "OTHER": "y"}))
    for name in ("start", "exit"):
        pod = container(plan, name)
        assert pod.image == "registry.local/python:3.11"
        assert (pod.node_selector, pod.tolerations) == ({"disk": "ssd"}, ({"key": "spot"},))
        assert (pod.image_pull_policy, pod.image_pull_secrets) == ("Always", ("pull",))
        assert (pod.labels["team"], pod.annotations["note"]) == ("a", "x")
        assert ("SECRET_NAME" in pod.env, pod.env["OTHER"]) == (False, "y")
    step = container(plan, "start")
    assert step.requests == {"cpu": "0.5", "memory": "512M", "ephemeral-storage": "100M"}
    assert [volume.path for volume in step.volumes] == ["/tmp/mfhera", "/dev/shm"]


def test_what_a_step_says_of_its_pod_comes_before_the_settings() -> None:
    said = spec(
        "kubernetes",
        cpu=2,
        memory=100,
        image="ghcr.io/team/image:1",
        node_selector={"zone": "b"},
        tolerations=[{"key": "gpu"}],
        labels={"team": "b"},
        image_pull_policy="Never",
    )
    pod = container(compile_plan(graph(LINEAR, start=said), options(pod=DEFAULTS)), "start")
    assert pod.image == "ghcr.io/team/image:1"
    assert pod.requests == {"cpu": "2", "memory": "100M", "ephemeral-storage": "100M"}
    assert (pod.node_selector, pod.tolerations) == ({"zone": "b"}, ({"key": "gpu"},))
    assert pod.labels == {"team": "b", "cost": "1"}
    assert pod.image_pull_policy == "Never"


def test_resources_of_a_step_are_not_raised_to_what_the_settings_say() -> None:
    said = spec("resources", memory=100)
    pod = container(compile_plan(graph(LINEAR, start=said), options(pod=DEFAULTS)), "start")
    assert pod.requests["memory"] == "100M"


def test_the_start_step_knows_the_events_and_every_step_which_it_publishes() -> None:
    awaited = Awaited(name="data", parameters={"alpha": "rate"})
    project = ("fraud", "test.x")
    plan = compile_plan(graph(LINEAR), options(started_by=Triggers(events=(awaited,)), project=project))
    start, end = (command(container(plan, name)) for name in ("start", "end"))
    assert [decode(Awaited, text.encode()) for text in start.events] == [awaited]
    assert end.events == ()
    assert start.publishes == ("metaflow.fraud.test.x.Flow.start",)
    assert end.publishes == ("metaflow.fraud.test.x.Flow.end",)


def test_a_last_step_of_another_name_publishes_the_end_as_well() -> None:
    steps = {"start": Linear("last"), "last": End()}
    assert command(container(compiled(steps), "last")).publishes == ("metaflow.Flow.last", "metaflow.Flow.end")
    silent = compile_plan(graph(steps), options(publishes=False))
    assert command(container(silent, "last")).publishes == ()
    undeployed = compile_plan(graph(steps), options(name=""))
    assert command(container(undeployed, "last")).publishes == ()


def test_a_required_parameter_needs_an_event_that_gives_it() -> None:
    needed = (Parameter(name="needed"),)
    gives = Awaited(name="data", parameters={"needed": "x"}, required=("x",))
    other = Awaited(name="other")
    assert compile_plan(graph(LINEAR), options(parameters=needed, started_by=Triggers(events=(other, gives))))
    with pytest.raises(FlowError, match="'needed' has no default, and none of the events that start a run gives it"):
        compile_plan(graph(LINEAR), options(parameters=needed, started_by=Triggers(events=(other,))))


def test_names_of_parameters_that_are_ours_are_refused() -> None:
    with pytest.raises(FlowError, match="'mfhera-event-0' begins like those of metaflow-hera itself"):
        compile_plan(graph(LINEAR), options(parameters=(Parameter(name="mfhera-event-0", value="x"),)))
