"""@trigger and @trigger_on_finish: every way of writing them, what is wrong with others, and `current.trigger`."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera import (
    Flow,
    FlowSpec,
    Parameter,
    Run,
    current,
    deploy,
    exit_hook,
    namespaced_event_name,
    project,
    run,
    secrets,
    step,
    trigger,
    trigger_on_finish,
)
from metaflow_hera.errors import FlowError, RunFailedError, UsageError
from metaflow_hera.flow.current import provided
from metaflow_hera.flow.events import Event, Upstream
from metaflow_hera.flow.triggers import triggers_of
from metaflow_hera.graph.check import problems
from metaflow_hera.graph.parse import parse
from metaflow_hera.records import runs
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store


class Base(FlowSpec):
    alpha = Parameter("alpha", default=1)
    beta = Parameter("the-beta", default=1)

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


def flow(*decorators: Any) -> type[FlowSpec]:
    class Written(Base):
        pass

    for decorator in reversed(decorators):
        decorator(Written)
    return Written


def told(*decorators: Any) -> list[str]:
    """What the check says, without where and whose it is."""
    return [problem.text.partition("flow Written: ")[2] for problem in problems(parse(flow(*decorators)))]


def named(context: object) -> str:
    return "computed"


@pytest.mark.parametrize(
    ("written", "events"),
    [
        (trigger(event="a"), [Event("a")]),
        (trigger(events=["a", "b.c-d_e"]), [Event("a"), Event("b.c-d_e")]),
        (trigger(events=("a",)), [Event("a")]),
        (trigger(event={"name": "a"}), [Event("a")]),
        (trigger(event={"name": "a", "parameters": {"alpha": "x"}}), [Event("a", {"alpha": "x"})]),
        (
            trigger(event={"name": "a", "parameters": ["alpha", ("the-beta", "b")]}),
            [Event("a", {"alpha": "alpha", "the-beta": "b"})],
        ),
        (trigger(event=named), [Event("computed")]),
        (
            trigger(event=lambda context: {"name": named, "parameters": lambda context: {"alpha": "z"}}),
            [Event("computed", {"alpha": "z"})],
        ),
        (trigger(events=lambda context: ["a", named]), [Event("a"), Event("computed")]),
        (trigger(event=namespaced_event_name("new")), [Event("mfns.new")]),
        (trigger(event="a", options={"reset_at": {"cron": "0 0 * * *", "timezone": "Europe/Berlin"}}), [Event("a")]),
    ],
)
def test_an_event_can_be_written_in_many_ways(written: trigger, events: list[Event]) -> None:
    assert told(written) == []
    assert triggers_of(flow(written), None) == (tuple(events), ())


@pytest.mark.parametrize(
    ("written", "flows"),
    [
        (trigger_on_finish(flow="Up"), [Upstream("Up")]),
        (trigger_on_finish(flows=["Up", "Other"]), [Upstream("Up"), Upstream("Other")]),
        (trigger_on_finish(flow="p.prod.Up"), [Upstream("Up", "p", "prod")]),
        (trigger_on_finish(flow="p.user.ann.Up"), [Upstream("Up", "p", "user.ann")]),
        (trigger_on_finish(flow={"name": "Up"}), [Upstream("Up")]),
        (trigger_on_finish(flow={"name": "Up", "project": "p", "project_branch": "b"}), [Upstream("Up", "p", "b")]),
        (trigger_on_finish(flow=lambda context: "Up"), [Upstream("Up")]),
        (
            trigger_on_finish(flows=lambda context: ["Up", {"name": lambda context: "Other"}]),
            [Upstream("Up"), Upstream("Other")],
        ),
    ],
)
def test_a_flow_can_be_written_in_many_ways(written: trigger_on_finish, flows: list[Upstream]) -> None:
    assert told(written) == []
    assert triggers_of(flow(written), None) == ((), tuple(flows))


def test_both_can_be_on_one_flow() -> None:
    both = (trigger(event="a"), trigger_on_finish(flow="Up"))

    assert told(*both) == []
    assert triggers_of(flow(*both), None) == ((Event("a"),), (Upstream("Up"),))


def test_in_a_project_names_mean_those_of_the_same_branch() -> None:
    written = flow(
        trigger(event=namespaced_event_name("new")),
        trigger_on_finish(flows=["Up", {"name": "Mine", "project": "p2"}, "q.prod.Other"]),
        project(name="p"),
    )

    assert problems(parse(written)) == ()
    with provided({"project_name": "p", "branch_name": "test.x"}):
        assert triggers_of(written, None) == (
            (Event("mfns.p.test.x.new"),),
            (Upstream("Up", "p", "test.x"), Upstream("Mine", "p2", "test.x"), Upstream("Other", "q", "prod")),
        )


WRONG = [
    (trigger(), ["names nothing; give event='…' or events=['…']"]),
    (trigger(event="a", events=["b"]), ["has both event and events; give one of them"]),
    (trigger(events="a"), ["events must be a list, not 'a'"]),
    (trigger(event=""), ["the name of an event must be ASCII letters, digits, '_', '-' and '.', not ''"]),
    (
        trigger(events=["a b", 5]),
        [
            "the name of an event must be ASCII letters, digits, '_', '-' and '.', not 'a b'",
            "the name of an event must be ASCII letters, digits, '_', '-' and '.', not 5",
        ],
    ),
    (trigger(events=["a", {"name": "a"}]), ["names the event 'a' twice; keep one"]),
    (
        trigger(event={"nam": "a"}),
        [
            "an event has no 'nam'; it has name, parameters",
            "an event needs a name; write {'name': '…'}",
            "the name of an event must be ASCII letters, digits, '_', '-' and '.', not None",
        ],
    ),
    (
        trigger(event={"name": "a", "parameters": {"gamma": "x"}}),
        ["the event 'a' gives parameter 'gamma', which the flow does not have; it has alpha, the-beta"],
    ),
    (
        trigger(event={"name": "a", "parameters": {"alpha": "x y", 5: "z"}}),
        [
            "the field for parameter 'alpha' must be ASCII letters, digits and '_', not 'x y'",
            "a parameter must be named by a text, not 5",
        ],
    ),
    (
        trigger(event={"name": "a", "parameters": ["alpha", ("alpha", "x"), ("a", "b", "c")]}),
        [
            "gives parameter 'alpha' twice; keep one",
            "the parameters of an event are names or pairs of a name and a field, not ('a', 'b', 'c')",
        ],
    ),
    (
        trigger(event={"name": "a", "parameters": "alpha"}),
        ["the parameters of an event must be a dictionary or a list, not 'alpha'"],
    ),
    (trigger(event="a", options=5), ["options must be a dictionary, not 5"]),
    (trigger(event="a", options={"reset": 1}), ["options has no 'reset'; it has reset_at"]),
    (
        trigger(event="a", options={"reset_at": "daily"}),
        ["options: reset_at must be {'cron': '…', 'timezone': '…'}, not 'daily'"],
    ),
    (
        trigger(event="a", options={"reset_at": {"timezone": "Nowhere"}}),
        [
            "options: reset_at: needs a cron line",
            "options: reset_at: timezone 'Nowhere' is not in the IANA database; write for example 'Europe/Berlin'",
        ],
    ),
    (trigger(evnt="a"), ["@trigger has no attribute 'evnt'; its attributes are event, events, options"]),
    (trigger_on_finish(), ["names nothing; give flow='…' or flows=['…']"]),
    (trigger_on_finish(flow="a", flows=["b"]), ["has both flow and flows; give one of them"]),
    (trigger_on_finish(flow="p.Up"), ["'p.Up' is no flow: write 'Flow' or 'project.branch.Flow'"]),
    (trigger_on_finish(flow="p..Up"), ["'p..Up' is no flow: write 'Flow' or 'project.branch.Flow'"]),
    (trigger_on_finish(flow="a-b"), ["'a-b' cannot be the name of a flow, which is that of its class"]),
    (trigger_on_finish(flow=5), ["a flow is named by a text or by a dictionary, not 5"]),
    (
        trigger_on_finish(flows=["Up", "Up", "p.b.Up", "p.b.Up"]),
        [
            "names the flow 'Up' twice; keep one",
            "names the flow 'p.b.Up' twice; keep one",
        ],
    ),
    (
        trigger_on_finish(flow={"name": 5, "projekt": "p"}),
        [
            "a flow has no 'projekt'; it has name, project, project_branch",
            "the name of a flow must be a text, not 5",
        ],
    ),
    (trigger_on_finish(flow={"project": "p"}), ["a flow needs a name; write {'name': '…'}"]),
    (
        trigger_on_finish(flow={"name": "Up", "project": "p"}),
        ["the flow 'Up' needs a project_branch, too, unless this flow has @project itself"],
    ),
    (
        trigger_on_finish(flow={"name": "Up", "project_branch": "b"}),
        ["the flow 'Up' needs a project, too, unless this flow has @project itself"],
    ),
]


@pytest.mark.parametrize(("written", "expected"), WRONG)
def test_what_is_wrong_with_a_trigger_is_told(written: Any, expected: list[str]) -> None:
    name = written.spec.name
    assert told(written) == [text if text.startswith("@") else f"@{name}: {text}" for text in expected]


def test_a_trigger_that_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "wrong_trigger.py"
    file.write_text(
        "import metaflow_hera as mf\nfrom metaflow_hera import FlowSpec, step\n\n\n"
        "@mf.trigger(event='a')\n@mf.trigger(\n    events=[])\n@mf.trigger_on_finish\nclass Wrong(FlowSpec):\n"
        "    @step\n    def start(self):\n        self.next(self.end)\n\n"
        "    @step\n    def end(self):\n        pass\n"
    )
    with pytest.raises(FlowError) as caught:
        deploy(file)

    assert str(caught.value).splitlines() == [
        f"{file}:6: flow Wrong: @trigger: names nothing; give event='…' or events=['…']",
        f"{file}:6: flow Wrong: @trigger is on Wrong more than once",
        f"{file}:8: flow Wrong: @trigger_on_finish: names nothing; give flow='…' or flows=['…']",
    ]


def failing(context: object) -> str:
    raise OSError("no network")


def test_what_a_function_gives_is_checked_where_the_flow_is_deployed() -> None:
    written = flow(
        trigger(events=[failing, lambda context: 5, lambda context: {"name": "a", "parameters": ["gamma"]}]),
        trigger_on_finish(flow=lambda context: "p.Up"),
    )
    with pytest.raises(FlowError) as caught:
        deploy(written)

    assert str(caught.value).splitlines() == [
        "flow Written: @trigger: the function failing raised OSError: no network",
        "flow Written: @trigger: the name of an event must be ASCII letters, digits, '_', '-' and '.', not 5",
        "flow Written: @trigger: the event 'a' gives parameter 'gamma', which the flow does not have; it has alpha, "
        "the-beta",
        "flow Written: @trigger_on_finish: 'p.Up' is no flow: write 'Flow' or 'project.branch.Flow'",
    ]


@trigger_on_finish(flow="Base")
class Downstream(FlowSpec):
    @step
    def start(self):
        trigger = current.trigger
        self.seen = trigger and {
            "event": (trigger.event.name, trigger.event.id, trigger.event.type),
            "events": [event.id for event in trigger],
            "names": ("Base" in trigger, "metaflow.Base.end" in trigger, "Other" in trigger),
            "run": trigger["Base"].pathspec,
            "data": trigger.run.data.alpha,
            "runs": len(trigger.runs),
            "text": repr(trigger),
        }
        self.next(self.end)

    @step
    def end(self):
        self.again = current.trigger and current.trigger.run.pathspec


def test_a_local_run_can_be_triggered_by_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = run(Base, alpha=5), run(Base)

    made = run(Downstream, triggers=[first.pathspec, second.pathspec])

    assert made["start"].task.data.seen == {
        "event": ("metaflow.Base.end", first.pathspec, "run"),
        "events": [first.pathspec, second.pathspec],
        "names": (True, True, False),
        "run": first.pathspec,
        "data": 5,
        "runs": 2,
        "text": "<trigger: metaflow.Base.end, metaflow.Base.end>",
    }
    assert made.data.again == first.pathspec
    trigger = pickle.loads(pickle.dumps(made.trigger))
    assert (trigger.run, trigger.runs, trigger["Base"]) == (first, [first, second], first)
    with pytest.raises(KeyError):
        trigger["Other"]
    assert first.trigger is None
    settings = Settings.load()
    record = runs.read(open_store(settings.datastore, settings), "Downstream", made.id)
    assert record is not None
    assert [cause.id for cause in record.triggers] == [first.pathspec, second.pathspec]
    assert run(Downstream).data.again is None
    monkeypatch.setenv("METAFLOW_TRIGGER", second.pathspec)
    assert run(Downstream).data.again == second.pathspec


class Failing(Base):
    @step
    def end(self):
        raise ValueError


def test_only_runs_that_succeeded_trigger_others() -> None:
    with pytest.raises(RunFailedError):
        run(Failing)
    failed = Flow("Failing").latest_run
    assert isinstance(failed, Run)

    with pytest.raises(UsageError) as caught:
        run(Downstream, triggers=[failed.pathspec, "Base/1", "Base"])

    lines = str(caught.value).splitlines()
    assert (
        lines[0] == f"--trigger {failed.pathspec}: a run triggers another one when it has succeeded, and this is Failed"
    )
    assert lines[1].startswith("--trigger Base/1: there is no such run in ")
    assert lines[2].startswith("--trigger Base: there is no such run in ")
    assert Flow("Failing").latest_run == failed


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["p.b.F", "F", "a-b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(
            st.sampled_from(
                ["name", "parameters", "project", "project_branch", "reset_at", "cron", "type", "id", "options"]
            )
            | st.integers(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(anything, anything, anything)
def test_whatever_is_written_is_read_or_told(first: Any, second: Any, options: Any) -> None:
    written = (
        trigger(event=first, events=second, options=options),
        trigger_on_finish(flow=first, flows=second, options=options),
        exit_hook(on_success=first, on_error=second, options=options),
        secrets(sources=first, role=second, allow_override=options),
        project(name=first, branch=second, production=options),
    )
    for decorator in written:
        wrong = [*decorator.problems()]
        assert all(isinstance(text, str) for text in wrong)
        if not wrong:
            assert all(isinstance(text, str) for text in decorator.problems_in(Base))
