"""Mutators that users write: what they see and change of a flow before it runs, and how their mistakes are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from metaflow_hera import (
    Config,
    FlowMutator,
    FlowSpec,
    MutableFlow,
    MutableStep,
    Parameter,
    StepMutator,
    UserStepDecorator,
    card,
    catch,
    config_expr,
    package_suffixes,
    project,
    resources,
    retry,
    schedule,
    step,
    timeout,
    user_step_decorator,
)
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.source import CheckedFlow, check_flow, launched_class
from metaflow_hera.errors import FlowError, UsageError
from metaflow_hera.flow.parameters import parameters_of
from metaflow_hera.flow.written import written_on

OURS = "metaflow_hera.flow.decorators"


@user_step_decorator
def note(step_name, flow, inputs=None, attributes=None):
    yield


class Plain(UserStepDecorator):
    pass


class DoesStep(StepMutator):
    """Does what it is told to, in both of its turns."""

    def init(self, mutate=None, pre_mutate=None):
        self.turns = {"mutate": mutate, "pre_mutate": pre_mutate}

    def pre_mutate(self, mutable_step):
        (self.turns["pre_mutate"] or ignore)(mutable_step)

    def mutate(self, mutable_step):
        (self.turns["mutate"] or ignore)(mutable_step)


class DoesFlow(FlowMutator):
    """The same for a flow."""

    def init(self, mutate=None, pre_mutate=None):
        self.turns = {"mutate": mutate, "pre_mutate": pre_mutate}

    def pre_mutate(self, mutable_flow):
        (self.turns["pre_mutate"] or ignore)(mutable_flow)

    def mutate(self, mutable_flow):
        (self.turns["mutate"] or ignore)(mutable_flow)


def ignore(mutable: object) -> None:
    pass


def a_flow(*on_flow: Any, start: tuple[Any, ...] = (), **attributes: object) -> type[FlowSpec]:
    """A flow of two steps with decorators on itself and on the first, the first one outermost."""

    class Mutated(FlowSpec):
        @step
        def start(self):
            self.next(self.end)

        @step
        def end(self):
            pass

        locals().update(attributes)

    for decorator in reversed(start):
        decorator(Mutated.start)
    for decorator in reversed(on_flow):
        decorator(Mutated)
    return Mutated


def on_step(
    do: Callable[[MutableStep], object], *around: Any, with_: tuple[str, ...] = (), pre: bool = False
) -> CheckedFlow:
    """The flow after a mutator of its first step, which is inside of *around*, did what it is told to."""
    mutator = DoesStep(pre_mutate=do) if pre else DoesStep(mutate=do)
    return check_flow(a_flow(start=(*around, mutator)), with_=with_)


def on_flow(do: Callable[[MutableFlow], object], *around: Any, pre: bool = True, **attributes: object) -> CheckedFlow:
    mutator = DoesFlow(pre_mutate=do) if pre else DoesFlow(mutate=do)
    return check_flow(a_flow(*around, mutator, **attributes))


def of_start(checked: CheckedFlow) -> list[tuple[str, dict[str, object]]]:
    """What decorators the first step has in the end, without mutators."""
    specs = checked.graph["start"].decorators
    return [(spec.name, dict(spec.attributes)) for spec in specs if not spec.name.startswith("Does")]


def test_a_mutator_sees_all_decorators_with_all_their_attributes() -> None:
    seen: list[Any] = []
    on_step(lambda each: seen.extend(each.decorator_specs), note(n=1), timeout(minutes=2))

    assert seen[1:] == [
        ("timeout", f"{OURS}.timeout", [], {"seconds": 0, "minutes": 2, "hours": 0}),
        ("note", f"{__name__}.note", [], {"n": 1}),
    ]
    assert seen[0][:2] == ("DoesStep", f"{__name__}.DoesStep")


def test_decorators_are_found_by_their_names() -> None:
    def look(each: MutableStep) -> None:
        found.extend(map(each.has_decorator, ("retry", "note", f"{__name__}.note", "test_mutators.note", "tch", "F")))
        found.append(each.get_decorator_specs("note"))

    found: list[Any] = []
    on_step(look, note(n=2), retry, note(n=1))
    described = [("note", f"{__name__}.note", [], {"n": number}) for number in (1, 2)]
    assert found == [True, True, True, True, False, False, described]


def test_decorators_are_added_as_classes_names_texts_and_objects() -> None:
    def add(each: MutableStep) -> None:
        added.append(each.add_decorator(retry, deco_kwargs={"times": 1}))
        added.append(each.add_decorator("resources", deco_kwargs={"cpu": 2}))
        added.append(each.add_decorator('environment:vars={"A": "1"}'))
        added.append(each.add_decorator(timeout(hours=1)))
        added.append(each.add_decorator(note(n=1), deco_kwargs={"m": 2}))
        added.append(each.add_decorator("test_mutators.Plain"))

    added: list[Any] = []
    expected = [
        ("retry", {"times": 1}),
        ("resources", {"cpu": 2}),
        ("environment", {"vars": {"A": "1"}}),
        ("timeout", {"hours": 1}),
        ("note", {"n": 1, "m": 2}),
        ("Plain", {}),
    ]
    assert of_start(on_step(add)) == expected[::-1]
    assert [(decorator.spec.name, dict(decorator.spec.attributes)) for decorator in added] == expected
    assert added[0] == retry(times=1)


def test_of_two_decorators_of_a_name_the_mutator_says_which_holds() -> None:
    def add(each: MutableStep) -> None:
        assert each.add_decorator("retry") is None
        assert each.add_decorator(note, deco_kwargs={"n": 2}, duplicates=each.IGNORE) is None
        assert each.add_decorator("retry:times=1", duplicates=each.OVERRIDE) == retry(times=1)
        with pytest.raises(UsageError, match="there is @note already; remove it first, or give duplicates=OVERRIDE"):
            each.add_decorator(note, duplicates=each.ERROR)
        assert each.add_decorator("card:id=b", duplicates=each.ERROR) is not None

    checked = on_step(add, note(n=1), note(n=3), retry(times=4), card(id="a"))
    assert of_start(checked) == [
        ("card", {"id": "b"}),
        ("retry", {"times": 1}),
        ("note", {"n": 1}),
        ("note", {"n": 3}),
        ("card", {"id": "a"}),
    ]


def test_decorators_are_removed_by_name_or_by_what_they_were_written_with() -> None:
    def remove(each: MutableStep) -> None:
        removed.append(each.remove_decorator("note", deco_kwargs={"n": 2}))
        removed.append(each.remove_decorator("note", deco_kwargs={"n": 2}))
        removed.append(each.remove_decorator("note", deco_args=[1]))
        removed.append(each.remove_decorator("retry", deco_kwargs={"times": 3, "minutes_between_retries": 2}))
        removed.append(each.remove_decorator("resources", deco_kwargs={"cpu": 2}))
        removed.append(each.remove_decorator("timeout"))

    removed: list[bool] = []
    checked = on_step(remove, note(n=1), note(n=2), retry, resources(cpu=1))
    assert removed == [True, False, False, True, False, False]
    assert of_start(checked) == [("note", {"n": 1}), ("resources", {"cpu": 1})]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"deco_type": "retry:times=x"}, "@retry: times must be a whole number of at least 0, not 'x'"),
        (
            {"deco_type": "retry", "deco_kwargs": {"time": 1}},
            "@retry has no attribute 'time'; its attributes are times",
        ),
        ({"deco_type": retry, "deco_args": [3]}, "@retry takes no positional argument (3)"),
        ({"deco_type": "nothing"}, "there is no step decorator 'nothing'; there are card, catch"),
        ({"deco_type": 3}, "add_decorator() takes a decorator, its name, or a text like 'retry:times=4', not 3"),
        ({"deco_type": schedule}, "@schedule is for flows; write it above the class"),
        ({"deco_type": DoesFlow}, "@DoesFlow is for flows; write it above the class"),
        (
            {"deco_type": Plain, "deco_kwargs": {"a": 1}},
            "@Plain got arguments that it does not take: it has no `def init(",
        ),
        (
            {"deco_type": DoesStep},
            "@DoesStep can be added in pre_mutate only; in mutate, decorators of steps can change",
        ),
    ],
)
def test_what_cannot_be_added_is_told_with_the_line_of_the_mutator(given: dict[str, Any], expected: str) -> None:
    def add(each: MutableStep) -> None:
        each.add_decorator(**given)

    with pytest.raises(FlowError) as caught:
        on_step(add)
    (problem,) = caught.value.problems
    assert problem.text.startswith(f"step 'start': @DoesStep: {__name__}.DoesStep.mutate(): {expected}")
    assert (problem.file, problem.line) == (__file__, add.__code__.co_firstlineno + 1)


def test_what_a_mutator_raises_is_told_with_its_name_and_line() -> None:
    def fail(mutable: object) -> None:
        raise KeyError("missing")

    line = fail.__code__.co_firstlineno + 1
    with pytest.raises(FlowError) as of_step:
        on_step(fail, pre=True)
    with pytest.raises(FlowError) as of_flow:
        on_flow(fail, pre=False)
    assert str(of_step.value) == (
        f"{__file__}:{line}: step 'start': @DoesStep: {__name__}.DoesStep.pre_mutate() raised KeyError: 'missing'"
    )
    assert (
        str(of_flow.value) == f"{__file__}:{line}: @DoesFlow: {__name__}.DoesFlow.mutate() raised KeyError: 'missing'"
    )


def test_a_mutator_that_cannot_work_is_told_where_it_is_defined() -> None:
    class Wrong(FlowMutator):
        def mutate(self):
            pass

    class Initialised(StepMutator):
        def init(self, limit):
            raise ValueError("no limit")

    with pytest.raises(FlowError) as wrong:
        check_flow(a_flow(Wrong(1, a=2)))
    assert [problem.text for problem in wrong.value.problems] == [
        "Wrong: mutate must take what it is called with; write `def mutate(self, mutable_flow):`",
        "@Wrong got arguments that it does not take: it has no `def init(self, …):` to take any",
    ]
    assert wrong.value.problems[0].line == Wrong.mutate.__code__.co_firstlineno
    with pytest.raises(
        FlowError, match=r"step 'start': @Initialised: .*Initialised.init\(\) raised ValueError: no limit"
    ):
        check_flow(a_flow(start=(Initialised(3),)))
    with pytest.raises(FlowError, match=r"missing a required argument: 'limit'"):
        check_flow(a_flow(start=(Initialised,)))


def test_mutators_of_bases_and_inner_ones_have_their_turns_first_and_steps_after_flows() -> None:
    turns: list[str] = []

    def of_flow(name: str) -> Any:
        return DoesFlow(
            pre_mutate=lambda _: turns.append(f"pre {name}"), mutate=lambda _: turns.append(f"mutate {name}")
        )

    def of_step(name: str) -> Any:
        return DoesStep(
            pre_mutate=lambda _: turns.append(f"pre {name}"), mutate=lambda _: turns.append(f"mutate {name}")
        )

    class Mixin:
        pass

    base = a_flow(of_flow("base"), start=(of_step("outer"), of_step("inner")))
    of_flow("mixin")(Mixin)

    @of_flow("outer flow")
    @of_flow("inner flow")
    class Derived(Mixin, base):  # type: ignore[misc, valid-type]
        pass

    check_flow(Derived)
    order = ["base", "mixin", "inner flow", "outer flow", "inner", "outer"]
    assert turns == [f"{turn} {name}" for turn in ("pre", "mutate") for name in order]


def test_a_mutator_that_another_brings_has_turns_of_its_own() -> None:
    turns: list[str] = []
    brought_step = DoesStep(
        pre_mutate=lambda each: turns.append(f"pre {each.name}"),
        mutate=lambda each: turns.append(f"mutate {each.name}"),
    )
    brought_flow = DoesFlow(
        pre_mutate=lambda flow: [each.add_decorator(brought_step) for _, each in flow.steps],
        mutate=lambda _: turns.append("mutate flow"),
    )

    class Brings(FlowMutator):
        def pre_mutate(self, mutable_flow):
            assert mutable_flow.add_decorator(brought_flow) is not None

    check_flow(a_flow(Brings))
    assert turns == ["pre start", "pre end", "mutate flow", "mutate start", "mutate end"]


def test_mutators_that_bring_each_other_without_end_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from metaflow_hera.flow import mutators

    monkeypatch.setattr(mutators, "_MOST_TURNS", 20)

    class Again(StepMutator):
        def pre_mutate(self, mutable_step):
            mutable_step.add_decorator(Again, duplicates=mutable_step.OVERRIDE)

    with pytest.raises(FlowError, match="the mutators of Mutated bring new ones without end"):
        check_flow(a_flow(start=(Again,)))


def test_a_class_may_be_a_step_decorator_and_a_mutator() -> None:
    class Both(UserStepDecorator, StepMutator):
        def init(self, times=0):
            self.times = times

        def mutate(self, mutable_step):
            mutable_step.add_decorator("retry", deco_kwargs={"times": self.times})

    assert of_start(check_flow(a_flow(start=(Both(times=2),)))) == [("retry", {"times": 2}), ("Both", {"times": 2})]
    with pytest.raises(FlowError, match=r"@Both takes no positional argument \(2\)"):
        check_flow(a_flow(start=(Both(2),)))


def test_mutators_see_the_decorators_of_with_and_may_come_by_it() -> None:
    seen: list[Any] = []

    def look(each: MutableStep) -> None:
        seen.append(each.has_decorator("retry"))

    check_flow(a_flow(start=(DoesStep(pre_mutate=look, mutate=look),)), with_=["retry"])
    assert seen == [False, True]

    class Retries(StepMutator):
        def init(self, times):
            self.times = times

        def pre_mutate(self, mutable_step):
            mutable_step.add_decorator(note)

        def mutate(self, mutable_step):
            mutable_step.add_decorator("retry", deco_kwargs={"times": self.times})

    checked = check_flow(a_flow(), with_=["Retries:times=2"])
    assert [spec.name for spec in checked.graph["end"].decorators] == ["retry", "note", "Retries"]


def test_a_flow_is_checked_after_its_mutators_were_there() -> None:
    with pytest.raises(FlowError, match=r"step 'start' has @catch\(var='limit'\), but 'limit' is something else"):
        on_flow(
            lambda flow: [each.add_decorator(catch, deco_kwargs={"var": "limit"}) for _, each in flow.steps],
            pre=False,
            limit=3,
        )


def test_parameters_are_added_and_removed() -> None:
    def change(flow: MutableFlow) -> None:
        flow.add_parameter("added", Parameter("added-name", default=4))
        assert flow.remove_parameter("alpha")
        assert not flow.remove_parameter("alpha")
        assert not flow.remove_parameter("constant")
        flow.add_parameter("beta", Parameter("beta", default="other"), overwrite=True)
        with pytest.raises(UsageError, match="the flow has 'constant' already; choose another name, or give overwrite"):
            flow.add_parameter("constant", Parameter("constant"))
        with pytest.raises(UsageError, match="add_parameter\\(\\) takes a Parameter, not 3"):
            flow.add_parameter("three", 3)  # type: ignore[arg-type]
        seen.extend(name for name, _ in flow.parameters)

    seen: list[str] = []
    flow_class = a_flow(
        DoesFlow(pre_mutate=change), alpha=Parameter("alpha"), beta=Parameter("beta", default=1), constant=5
    )
    checked = check_flow(flow_class)

    assert seen == ["beta", "added"]
    assert [(each.name, each.attribute, each.default) for each in checked.parameters] == [
        ("beta", "beta", "other"),
        ("added-name", "added", 4),
    ]
    assert not hasattr(checked.flow_class, "alpha")
    assert list(parameters_of(flow_class)) == ["alpha", "beta"]


def test_a_flow_changes_before_its_steps_do() -> None:
    def late(flow: MutableFlow) -> None:
        only = "in pre_mutate only; in mutate, decorators of steps can change"
        with pytest.raises(UsageError, match=f"parameters can be added {only}"):
            flow.add_parameter("late", Parameter("late"))
        with pytest.raises(UsageError, match=f"parameters can be removed {only}"):
            flow.remove_parameter("late")
        with pytest.raises(UsageError, match=f"@project can be added {only}"):
            flow.add_decorator("project:name=x")
        with pytest.raises(UsageError, match=f"@DoesFlow can be removed {only}"):
            flow.remove_decorator("DoesFlow")
        with pytest.raises(UsageError, match=r"@retry is for steps; add it to each of mutable_flow.steps"):
            flow.add_decorator(retry)

    on_flow(late, pre=False)


def test_decorators_of_the_flow_are_added_and_removed_also_those_of_its_bases() -> None:
    def change(flow: MutableFlow) -> None:
        assert flow.add_decorator("project", deco_kwargs={"name": "x"}) == project(name="x")
        assert flow.add_decorator(schedule(hourly=True)) is None
        assert flow.get_decorator_specs("schedule")[0][3]["weekly"] is True
        assert flow.remove_decorator("schedule")
        assert not flow.has_decorator("schedule")

    base = a_flow(schedule(weekly=True))

    @DoesFlow(pre_mutate=change)
    class Derived(base):  # type: ignore[misc, valid-type]
        pass

    shown = [(spec.name, dict(spec.attributes)) for spec in check_flow(Derived).graph.decorators]
    assert shown[0] == ("project", {"name": "x"})
    assert [name for name, _ in shown] == ["project", "DoesFlow"]
    assert [spec.name for spec in check_flow(base).graph.decorators] == ["schedule"]


def test_configs_are_attributes_with_their_values_also_for_mutators_of_a_base() -> None:
    def look(flow: MutableFlow) -> None:
        seen.append(dict(flow.configs))
        seen.append(flow.limits.cpu)
        for _, each in flow.steps:
            each.add_decorator("resources", deco_kwargs={"cpu": each.flow.limits["cpu"]})
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = flow.nothing

    seen: list[Any] = []
    base = a_flow(DoesFlow(pre_mutate=look))

    class Derived(base):  # type: ignore[misc, valid-type]
        limits = Config("limits", default_value={"cpu": 3})

    launch = LaunchOptions(config_value=(("limits", {"cpu": 4}),))
    checked = check_flow(Derived, launch=launch)
    assert seen == [{"limits": {"cpu": 4}}, 4]
    assert of_start(checked) == [("resources", {"cpu": 4})]


def test_mutators_and_decorators_take_expressions_of_configs() -> None:
    class Wants(FlowMutator):
        def init(self, cpu, names):
            self.cpu, self.names = cpu, names

        def pre_mutate(self, mutable_flow):
            wanted.append((self.cpu, self.names))
            mutable_flow.add_parameter("size", Parameter("size", default=self.cpu))

    wanted: list[Any] = []

    @Wants(config_expr("limits.cpu"), names=[config_expr("limits.cpu + 1")])
    class Flow(FlowSpec):
        limits = Config("limits", default_value={"cpu": 3})

        @note(cpu=config_expr("limits.cpu * 2"))
        @step
        def start(self):
            self.next(self.end)

        @step
        def end(self):
            pass

    checked = check_flow(Flow)
    assert wanted == [(3, [4])]
    assert of_start(checked) == [("note", {"cpu": 6})]
    assert checked.parameters[0].default == 3


def test_decorators_with_expressions_are_written_anew_before_these_have_values() -> None:
    def renew(each: MutableStep) -> None:
        attributes = each.get_decorator_specs("resources")[0][3]
        each.add_decorator("resources", deco_kwargs={**attributes, "gpu": 1}, duplicates=each.OVERRIDE)

    class Flow(FlowSpec):
        limits = Config("limits", default_value={"cpu": 3})

        @DoesStep(pre_mutate=renew)
        @resources(cpu=config_expr("limits.cpu"))
        @step
        def start(self):
            self.next(self.end)

        @step
        def end(self):
            pass

    assert of_start(check_flow(Flow))[0][1]["cpu"] == 3


def test_launches_do_not_see_each_others_changes() -> None:
    flow_class = a_flow(
        DoesFlow(pre_mutate=lambda flow: flow.add_parameter("added", Parameter("added", default=1))), start=(note,)
    )
    before = dict(vars(flow_class))

    first, second = check_flow(flow_class, with_=["retry"]), check_flow(flow_class)
    assert [len(first.graph["start"].decorators), len(second.graph["start"].decorators)] == [2, 1]
    assert vars(flow_class) == before
    assert [spec.name for spec in written_on(flow_class.start)] == ["note"]
    assert first.flow_class.__qualname__ == flow_class.__qualname__


def test_a_flow_that_was_launched_has_no_second_turn() -> None:
    turns: list[str] = []
    flow_class = a_flow(
        DoesFlow(pre_mutate=lambda _: turns.append("pre_mutate"), mutate=lambda _: turns.append("mutate"))
    )

    launched, _ = launched_class(flow_class)
    checked = check_flow(launched)
    check_flow(checked.flow_class, with_=["retry"])
    assert turns == ["pre_mutate", "mutate"]


def test_suffixes_of_packages_are_texts() -> None:
    check_flow(a_flow(package_suffixes(".csv", ".txt")))
    with pytest.raises(FlowError, match=r"@package_suffixes: .*init\(\): a suffix is a text such as '.csv', not 3"):
        check_flow(a_flow(package_suffixes(3)))


def test_what_mutators_see_can_be_printed() -> None:
    shown: list[str] = []
    on_flow(lambda flow: shown.extend((repr(flow), *(repr(each) for _, each in flow.steps))))
    assert shown == [
        "<flow Mutated for mutators>",
        "<step 'start' of Mutated for mutators>",
        "<step 'end' of Mutated for mutators>",
    ]
