"""What a step may do with self, and what it is told when it may not."""

from __future__ import annotations

import copy
import pickle
from array import array
from collections.abc import Iterator, Mapping
from types import ModuleType

import cloudpickle
import pytest

from metaflow_hera import FlowSpec, Parameter, step
from metaflow_hera.errors import MergeArtifactsError, StepError
from metaflow_hera.flow.scope import ForeachFrame, TaskScope
from metaflow_hera.flow.spec import begin_task, changes, merged, transition
from metaflow_hera.flow.task import Inputs, NextCall
from metaflow_hera.flow.transitions import check_transition
from metaflow_hera.graph.model import End, Foreach, Linear, Split, Step, Switch


class Mixin:
    UNIT = "cm"


class Flow(Mixin, FlowSpec):
    alpha = Parameter("learning-rate", default=0.5)
    LIMIT = 3
    TABLE = [1]  # noqa: RUF012
    math = pytest

    @step
    def start(self):
        self.next(self.fit)

    @step
    def fit(self):
        pass

    @step
    def score(self):
        pass

    @step
    def end(self):
        pass

    def helper(self):
        return "helped"

    @property
    def doubled(self):
        return self.alpha * 2

    @property
    def stored(self):
        return self._stored

    @stored.setter
    def stored(self, value):
        self._stored = value


class Loads(Mapping[str, object]):
    """Values that remember which of them were loaded."""

    def __init__(self, **values: object) -> None:
        self.values_by_name = values
        self.loaded: list[str] = []

    def __getitem__(self, name: str) -> object:
        self.loaded.append(name)
        return self.values_by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self.values_by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)


def task(step: str = "fit", inherited: Mapping[str, object] | None = None, **scope: object) -> Flow:
    flow = Flow(use_cli=False)
    values = inherited or {}
    identities = {"identity": lambda name: repr(values[name])}
    begin_task(flow, TaskScope(step=step, inherited=values, **{**identities, **scope}))
    return flow


# --- artifacts ------------------------------------------------------------------------------------------------------


def test_an_artifact_is_loaded_when_it_is_asked_for_and_once() -> None:
    inherited = Loads(small=1, large=2)
    flow = task(inherited=inherited)

    assert inherited.loaded == []
    assert (flow.large, flow.large) == (2, 2)
    assert inherited.loaded == ["large"]


def test_what_a_step_set_and_what_it_may_have_changed_in_place_is_saved() -> None:
    flow = task(
        inherited={"untouched": [1], "number": 5, "letters": ["a"], "read": memoryview(b"x"), "data": array("i", [1])}
    )
    flow.letters.append("b")
    flow.mine = flow.number + len(flow.read) + len(flow.data)

    assert changes(flow) == {"letters": ["a", "b"], "mine": 7, "data": array("i", [1])}


def test_an_artifact_that_is_replaced_is_saved_even_if_it_is_the_same() -> None:
    flow = task(inherited={"number": 5, "same": 6})
    flow.number = "five"
    flow.same = flow.same

    assert changes(flow) == {"number": "five"}


def test_private_artifacts_are_artifacts() -> None:
    flow = task(inherited={"_inherited": 1})
    flow._own = flow._inherited
    flow.stored = 2

    assert changes(flow) == {"_own": 1, "_stored": 2}


def test_a_missing_artifact_is_named_with_step_and_flow() -> None:
    flow = task(inherited={"x": 1})

    with pytest.raises(AttributeError, match=r"step 'fit' of Flow has no artifact 'model'$"):
        _ = flow.model
    assert not hasattr(flow, "model")
    assert getattr(flow, "model", None) is None


def test_a_join_is_told_where_artifacts_are() -> None:
    with pytest.raises(AttributeError, match=r"take them from inputs, or call self\.merge_artifacts\(inputs\)"):
        _ = task().model


def test_outside_of_a_task_a_flow_is_a_bare_object() -> None:
    flow = Flow(use_cli=False)

    assert (flow.name, repr(flow), flow.alpha, flow.LIMIT, flow.doubled) == ("Flow", "<flow Flow>", 0.5, 3, 1.0)
    assert [method.name for method in flow] == ["start", "fit", "score", "end"]
    assert all(method.is_step for method in flow)
    with pytest.raises(AttributeError, match="'Flow' has no attribute 'x'"):
        _ = flow.x
    with pytest.raises(StepError, match="Flow runs no step here"):
        _ = flow.index
    with pytest.raises(StepError, match=r"self\.next\(\) is for steps of a flow that runs"):
        flow.next(flow.end)


def test_calling_a_flow_that_is_no_script_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(Flow(), Flow)
    notebook = type("NotebookFlow", (FlowSpec,), {"__module__": "__main__"})
    monkeypatch.setitem(__import__("sys").modules, "__main__", ModuleType("__main__"))
    assert isinstance(notebook(), FlowSpec)


@pytest.mark.parametrize("store", [pickle.dumps, cloudpickle.dumps, copy.deepcopy])
def test_a_flow_cannot_be_stored(store) -> None:
    with pytest.raises(TypeError, match="a flow cannot be stored in an artifact: <flow Flow step fit>"):
        store([task()])


def test_inputs_cannot_be_stored() -> None:
    with pytest.raises(TypeError, match="inputs cannot be stored as an artifact"):
        pickle.dumps(Inputs([task()]))


# --- parameters and constants ---------------------------------------------------------------------------------------


def test_parameters_and_constants_have_the_values_of_the_run() -> None:
    flow = task(fixed={"alpha": 0.1, "LIMIT": 4, "TABLE": [2], "UNIT": "mm"})

    assert (flow.alpha, flow.LIMIT, flow.TABLE, flow.UNIT, flow.doubled) == (0.1, 4, [2], "mm", 0.2)
    assert (Flow.LIMIT, Flow.TABLE, Mixin.UNIT) == (3, [1], "cm")
    assert changes(flow) == {}


@pytest.mark.parametrize("name", ["alpha", "LIMIT", "TABLE", "UNIT"])
def test_parameters_and_constants_cannot_be_set(name: str) -> None:
    flow = task(fixed={"alpha": 0.1, "LIMIT": 4, "TABLE": [2], "UNIT": "mm"})

    with pytest.raises(AttributeError, match=rf"self\.{name} is a parameter or a constant of Flow"):
        setattr(flow, name, 1)


@pytest.mark.parametrize("name", ["next", "input", "index", "name", "fit", "helper", "merge_artifacts"])
def test_names_of_the_flow_cannot_be_artifacts(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"self\.{name} is a method of Flow; give the artifact another name"):
        setattr(task(), name, 1)


# --- self.next ------------------------------------------------------------------------------------------------------


def test_transitions_are_written_down() -> None:
    linear, split, foreach, switch, gang = task(), task(), task(), task(), task()
    linear.next(linear.end)
    split.next(split.fit, split.score)
    foreach.items = [1, 2]
    foreach.next(foreach.fit, foreach="items")
    switch.kind = "b"
    switch.next({"a": switch.fit, "b": switch.score}, condition="kind")
    gang.next(gang.fit, num_parallel=1 + 1)

    assert transition(task()) is None
    assert transition(linear) == NextCall(targets=("end",))
    assert transition(split) == NextCall(targets=("fit", "score"))
    assert transition(foreach) == NextCall(targets=("fit",), foreach="items", splits=2)
    assert transition(switch) == NextCall(targets=("score",), condition="kind", cases=2)
    assert transition(gang) == NextCall(targets=("fit",), splits=2, gang=True)


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        ((), {}, "names no step"),
        (("fit",), {}, "got 'fit', which is no step of Flow"),
        ((1,), {"foreach": "items"}, "got 1, which is no step of Flow"),
        ((Flow.helper,), {}, "got <function .*, which is no step of Flow"),
        (({},), {}, "takes either steps, or one dictionary"),
        (({},), {"condition": 5}, "takes either steps, or one dictionary"),
        (({},), {"condition": "items"}, r"'items' is \[\], which is none of the cases nothing"),
        (({"x": 1},), {"condition": "unset"}, "has the condition 'unset', but self.unset is not set"),
        ((), {"for_each": "items"}, "takes foreach=, condition= or num_parallel=, not for_each"),
        ((), {"num_parallel": 3}, "names no step"),
        ((Flow.fit, Flow.score), {"num_parallel": 3}, "got <function Flow.fit"),
        (({},), {"condition": "items", "num_parallel": 3}, "takes either steps, or one dictionary"),
        (({},), {"condition": "items", "foreach": "items"}, "takes either steps, or one dictionary"),
        ((), {"foreach": "items", "num_parallel": 3}, "takes either foreach= or num_parallel=, not both"),
    ],
)
def test_what_is_no_transition_is_told(arguments, options, expected: str) -> None:
    flow = task()
    flow.items = []

    with pytest.raises(
        StepError, match=rf"step 'fit': self\.next\(\) {expected}|step 'fit': self\.next\(\): {expected}"
    ):
        flow.next(*arguments, **options)


@pytest.mark.parametrize("size", [None, 0, -1, True, 2.0, "2", [2]])
def test_a_gang_has_a_number_of_tasks(size: object) -> None:
    flow = task()

    with pytest.raises(StepError, match="takes a whole number of at least 1 as num_parallel, not "):
        flow.next(flow.fit, num_parallel=size)
    with pytest.raises(StepError, match="with num_parallel goes to one step, not to fit, score"):
        flow.next(flow.fit, flow.score, num_parallel=size)


def test_a_second_call_is_told() -> None:
    flow = task()
    flow.next(flow.fit)

    with pytest.raises(StepError, match="is called a second time"):
        flow.next(flow.end)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], r"found no items \(\[\]\)"),
        ("", r"found no items \(''\)"),
        (None, "found None of type NoneType, which has no items"),
        (5, "found 5 of type int, which has no items"),
        ((n for n in [1]), "found a generator, which can be read only once; make a list of it"),
        ({"b", "a"}, "found a set, whose order differs from process to process; sort it to a list"),
        (frozenset("a"), "found a frozenset, whose order differs"),
        (pytest.importorskip("numpy").array(5), "found a ndarray without items"),
    ],
)
def test_a_foreach_that_cannot_be_names_step_and_attribute(value: object, expected: str) -> None:
    flow = task()
    flow.xs = value

    with pytest.raises(StepError, match=rf"step 'fit': the foreach over 'xs' {expected}"):
        flow.next(flow.fit, foreach="xs")


def test_a_foreach_over_nothing_at_all_names_step_and_attribute() -> None:
    flow = task()
    with pytest.raises(StepError, match=r"step 'fit': the foreach goes over 'xs', but self\.xs is not set"):
        flow.next(flow.fit, foreach="xs")
    with pytest.raises(StepError, match="with foreach goes to one step, not to fit, end"):
        flow.next(flow.fit, flow.end, foreach="xs")
    with pytest.raises(StepError, match="takes the name of an artifact as foreach, in quotes, not list"):
        flow.next(flow.fit, foreach=[1])


@pytest.mark.parametrize(
    ("transition_of_source", "call", "is_legal"),
    [
        (Linear("a"), NextCall(targets=("a",)), True),
        (Linear("a"), NextCall(targets=("b",)), False),
        (Linear("a"), None, False),
        (End(), None, True),
        (End(), NextCall(targets=("a",)), False),
        (Split(("a", "b")), NextCall(targets=("a", "b")), True),
        (Split(("a", "b")), NextCall(targets=("a",)), False),
        (Foreach("a", "xs"), NextCall(targets=("a",), foreach="xs", splits=2), True),
        (Foreach("a", "xs"), NextCall(targets=("a",)), False),
        (Switch((("'x'", "a"), ("'y'", "b")), "kind"), NextCall(targets=("b",), condition="kind", cases=2), True),
        (Switch((("'x'", "a"), ("'y'", "b")), "kind"), NextCall(targets=("c",), condition="kind"), False),
        (Foreach("a", "", gang=True), NextCall(targets=("a",), splits=2, gang=True), True),
        (Foreach("a", "", gang=True), NextCall(targets=("a",), foreach="", splits=2), False),
        (Foreach("a", "xs"), NextCall(targets=("a",), splits=2, gang=True), False),
        (Linear("a"), NextCall(targets=("a",), splits=2, gang=True), False),
    ],
)
def test_a_step_goes_where_its_source_says(transition_of_source, call, is_legal: bool) -> None:
    written = Step(name="s", transition=transition_of_source)

    if is_legal:
        check_transition(written, call)
    else:
        with pytest.raises(StepError, match=r"step 's' (went to|ended without)"):
            check_transition(written, call)


def test_cases_that_turn_out_to_be_the_same_are_told() -> None:
    written = Step(name="s", transition=Switch((("self.cfg.a", "a"), ("'y'", "b")), "kind"))

    with pytest.raises(StepError, match=r"step 's': .* two cases of the same value among self\.cfg\.a, 'y'"):
        check_transition(written, NextCall(targets=("b",), condition="kind", cases=1))


# --- foreach and join -----------------------------------------------------------------------------------------------


def frame(index: int, items: list[object], step: str = "split") -> ForeachFrame:
    return ForeachFrame(step=step, over="xs", index=index, count=len(items), item=lambda: items[index])


def test_a_task_knows_its_item_and_those_around_it() -> None:
    flow = task(frames=(frame(1, ["a", "b"]), frame(0, [7])))

    assert (flow.index, flow.input) == (0, 7)
    assert flow.foreach_stack() == [(1, 2, "b"), (0, 1, 7)]
    assert repr(flow) == "<flow Flow step fit[1][0]>"


def test_outside_of_a_foreach_there_is_no_item() -> None:
    assert (task().index, task().input, task().foreach_stack()) == (None, None, [])


def test_inputs_are_found_by_step_index_and_iteration() -> None:
    one, other = task("fit", {"x": 1}), task("score", {"x": 2})
    inputs = Inputs([one, other])

    assert (inputs.fit.x, inputs[1].x, inputs[-1].x, [i.x for i in inputs], len(inputs)) == (1, 2, 2, [1, 2], 2)
    assert (inputs[0:1], list(reversed(inputs)), one in inputs) == ([one], [other, one], True)
    with pytest.raises(AttributeError, match="inputs has no 'fitt'; its tasks are of fit, score"):
        _ = inputs.fitt
    with pytest.raises(AttributeError, match="inputs has 2 tasks of step 'fit'; take one as inputs"):
        _ = Inputs([one, one]).fit


def test_a_branch_may_be_called_count() -> None:
    assert Inputs([task("count", {"x": 1}), task("fit")]).count.x == 1


def test_artifacts_that_agree_are_merged_without_loading_them() -> None:
    left, right = Loads(same=[1], left=2), Loads(same=[1], right=3)
    identity = {"identity": "content of {}".format}
    inputs = Inputs([task("fit", left, **identity), task("score", right, **identity)])
    join = task("end")

    join.merge_artifacts(inputs)

    assert (left.loaded, right.loaded) == ([], [])
    assert merged(join) == {"same": left, "left": left, "right": right}
    assert (join.same, join.left, join.right) == ([1], 2, 3)
    assert changes(join) == {"same": [1]}
    assert merged(join) == {"left": left, "right": right}


def test_artifacts_that_disagree_are_named_with_branches_and_nothing_is_merged() -> None:
    inputs = Inputs([task("fit", {"x": 1, "y": 1, "z": 1}), task("score", {"x": 2, "y": 3, "z": 1})])
    join = task("end")

    with pytest.raises(
        MergeArtifactsError, match=r"'x' \(different in fit, score\); 'y' \(different in fit, score\)"
    ) as caught:
        join.merge_artifacts(inputs)

    assert caught.value.artifact_names == ("x", "y")
    assert merged(join) == {}


def test_what_is_set_left_out_or_fixed_is_not_merged() -> None:
    fixed = {"alpha": 0.1}
    inputs = Inputs([task("fit", {"x": 1, "y": 1, "alpha": 5}), task("score", {"x": 2, "y": 2, "alpha": 6})])
    join = task("end", fixed=fixed)
    join.x = 3

    join.merge_artifacts(inputs, exclude=["y"])

    assert (join.x, join.alpha, hasattr(join, "y")) == (3, 0.1, False)


def test_only_what_is_included_is_merged_and_must_be_there() -> None:
    inputs = Inputs([task("fit", {"x": 1, "y": 1}), task("score", {"y": 2})])
    join = task("end")

    join.merge_artifacts(inputs, include=["x"])
    assert merged(join).keys() == {"x"}
    with pytest.raises(MergeArtifactsError, match="no input has 'w'"):
        join.merge_artifacts(inputs, include=["w"])
    with pytest.raises(StepError, match="takes exclude or include, not both"):
        join.merge_artifacts(inputs, include=["x"], exclude=["y"])


def test_only_a_join_merges() -> None:
    with pytest.raises(
        StepError, match=r"step 'fit': merge_artifacts\(\) works in a join, on the inputs that it got, not on list"
    ):
        task().merge_artifacts([])
