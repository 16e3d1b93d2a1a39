"""Step decorators that users write: what they do around a step, how they are told on, and how a text names them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera import (
    USER_SKIP_STEP,
    FlowMutator,
    FlowSpec,
    StepMutator,
    UserStepDecorator,
    catch,
    current,
    retry,
    run,
    schedule,
    step,
    user_step_decorator,
)
from metaflow_hera.deploy.source import check_flow
from metaflow_hera.errors import FlowError, StepError, UsageError
from metaflow_hera.flow.decospec import parse_decospec
from metaflow_hera.flow.load import load_flow
from metaflow_hera.flow.scope import TaskScope
from metaflow_hera.flow.spec import begin_task, transition
from metaflow_hera.flow.task import Inputs, NextCall
from metaflow_hera.flow.transitions import check_transition
from metaflow_hera.flow.written import written_on
from metaflow_hera.graph.check import check, problems
from metaflow_hera.graph.parse import parse
from metaflow_hera.runtime.wrapping import run_wrapped


def executed(flow_class: type[FlowSpec], name: str = "start", arguments: Sequence[Any] = ()) -> FlowSpec:
    """The flow after one step of it ran within its decorators."""
    graph = parse(flow_class)
    flow = flow_class(use_cli=False)
    begin_task(flow, TaskScope(step=name))
    run_wrapped(flow, graph[name], arguments, written_on(getattr(flow_class, name)))
    check_transition(graph[name], transition(flow))
    return flow


def decorated_flow(*decorators: Any, error: Exception | None = None) -> type[FlowSpec]:
    """A flow whose first step has the decorators, the first one outermost, and may fail."""

    class Decorated(FlowSpec):
        @step
        def start(self):
            self.ran = True
            if error is not None:
                raise error
            self.next(self.end)

        @step
        def end(self):
            pass

    for decorator in reversed(decorators):
        decorator(Decorated.start)
    return Decorated


@user_step_decorator
def note(step_name, flow, inputs=None, attributes=None):
    name = (attributes or {}).get("name", "note")
    flow.notes = [*getattr(flow, "notes", []), f"{name} before {step_name}"]
    yield
    flow.notes = [*flow.notes, f"{name} after"]


@user_step_decorator
def plain(step_name, flow, inputs):
    yield


@user_step_decorator
def swallow(step_name, flow, inputs=None):
    try:
        yield
    except ValueError as error:
        flow.swallowed = str(error)


class Answers(UserStepDecorator):
    """Answers what it is told to, after the step."""

    def init(self, answer=None):
        self.answer = answer

    def post_step(self, step_name, flow, exception=None):
        flow.seen = exception
        return self.answer


def yields(what: object) -> Any:
    @user_step_decorator
    def yielding(step_name, flow, inputs=None):
        yield what

    return yielding


def test_the_decorator_that_is_written_last_is_the_outermost() -> None:
    flow = executed(decorated_flow(note(name="outer"), retry, note, note(name="inner")))

    assert flow.notes == [
        *("outer before start", "note before start", "inner before start"),
        *("inner after", "note after", "outer after"),
    ]
    assert transition(flow) == NextCall(targets=("end",))


def test_a_decorator_is_written_with_or_without_parentheses_and_leaves_the_step_as_it_is() -> None:
    def function(self):
        pass

    assert plain(function) is function
    assert note(name="x")(function) is function
    assert [(spec.name, dict(spec.attributes)) for spec in written_on(function)] == [
        ("note", {"name": "x"}),
        ("plain", {}),
    ]
    assert repr(note(name="x")) == "note(name='x')"


def test_a_class_acts_before_and_after_the_step_and_has_its_arguments_by_init() -> None:
    class Around(UserStepDecorator):
        def init(self, text="none"):
            self.text = text

        def pre_step(self, step_name, flow, inputs=None):
            flow.before = (step_name, self.text, inputs)

        def post_step(self, step_name, flow, exception=None):
            flow.after = (step_name, self.text, exception, flow.ran)

    flow = executed(decorated_flow(Around(text="given")))

    assert flow.before == ("start", "given", None)
    assert flow.after == ("start", "given", None, True)


def test_a_decorator_of_a_join_gets_the_inputs() -> None:
    class Joining(FlowSpec):
        @note
        @step
        def join(self, inputs):
            self.next(self.end)

        @plain
        @step
        def end(self):
            pass

    seen = []

    @user_step_decorator
    def look(step_name, flow, inputs):
        seen.append(inputs)
        yield

    look(Joining.join)
    inputs = Inputs([])
    executed(Joining, "join", [inputs])
    assert seen == [inputs]


def test_a_function_runs_instead_of_the_step_and_of_the_decorators_inside() -> None:
    def other(flow):
        flow.other = True

    class Chooses(UserStepDecorator):
        def pre_step(self, step_name, flow, inputs=None):
            return other

    for outer in (yields(other), Chooses):
        flow = executed(decorated_flow(outer, note))
        assert (flow.other, vars(flow).keys() & {"ran", "notes"}) == (True, set())
        assert transition(flow) == NextCall(targets=("end",))


def test_a_step_is_skipped_and_what_comes_next_is_known_by_its_source() -> None:
    class Skips(UserStepDecorator):
        def init(self, how=True):
            self.how = how

        def pre_step(self, step_name, flow, inputs=None):
            self.skip_step = self.how

    class Always(UserStepDecorator):
        @property
        def skip_step(self):
            return True

    for skip in (yields(USER_SKIP_STEP), Skips, Skips(how={}), Always):
        flow = executed(decorated_flow(note, skip, note(name="inside")))
        assert flow.notes == ["note before start", "note after"]
        assert "ran" not in vars(flow)
        assert transition(flow) == NextCall(targets=("end",))
    for run_it in (Skips(how=None), Skips(how=False)):
        assert executed(decorated_flow(run_it)).ran


class Shapes(FlowSpec):
    """A step of each kind, each of which fails."""

    kind = "b"

    @step
    def fans_out(self):
        self.items = ["x", "y"]
        raise ValueError("fans out")
        self.next(self.a, foreach="items")

    @step
    def splits(self):
        raise ValueError("splits")
        self.next(self.a, self.b)

    @step
    def chooses(self):
        self.choice = 2
        raise ValueError("chooses")
        self.next({1: self.a, 2: self.b}, condition="choice")

    @step
    def gathers_a_gang(self):
        raise ValueError("gang")
        self.next(self.a, num_parallel=2)

    @step
    def fans_out_over_nothing(self):
        raise ValueError("nothing")
        self.next(self.a, foreach="missing")

    @step
    def a(self):
        self.next(self.end)

    @step
    def b(self):
        self.next(self.end)

    @step
    def end(self):
        raise ValueError("end")


for name in ("fans_out", "splits", "chooses", "gathers_a_gang", "fans_out_over_nothing", "end"):
    swallow(getattr(Shapes, name))


def test_where_an_exception_was_swallowed_the_flow_goes_on_as_the_source_of_the_step_says() -> None:
    assert transition(executed(Shapes, "fans_out")) == NextCall(targets=("a",), foreach="items", splits=2)
    assert transition(executed(Shapes, "splits")) == NextCall(targets=("a", "b"))
    assert transition(executed(Shapes, "chooses")).targets == ("b",)
    assert transition(executed(Shapes, "end")) is None
    assert executed(Shapes, "end").swallowed == "end"
    with pytest.raises(StepError, match=r"step 'gathers_a_gang': how many tasks come next is known to the step alone"):
        executed(Shapes, "gathers_a_gang")
    with pytest.raises(StepError, match=r"'fans_out_over_nothing': the foreach goes over 'missing', but self.missing"):
        executed(Shapes, "fans_out_over_nothing")


def test_a_case_of_a_config_is_chosen_by_the_value_of_the_config() -> None:
    from metaflow_hera.runtime.wrapping import _case

    class Holder:
        config = {"key": 1}  # noqa: RUF012

        class nested:
            key = "v"

    assert (_case(Holder(), "-3"), _case(Holder(), "'x'"), _case(Holder(), "self.nested.key")) == (-3, "x", "v")  # type: ignore[arg-type]


def test_arguments_for_next_must_be_those_of_the_source() -> None:
    class Gang(UserStepDecorator):
        def post_step(self, step_name, flow, exception=None):
            return None, {"num_parallel": 3}

    class Parallel(FlowSpec):
        @Gang
        @step
        def start(self):
            raise ValueError("too early")
            self.next(self.end, num_parallel=2)

        @step
        def end(self):
            pass

    assert transition(executed(Parallel)) == NextCall(targets=("end",), splits=3, gang=True)
    with pytest.raises(StepError) as caught:
        executed(decorated_flow(yields({"foreach": "xs"})))
    assert str(caught.value) == (
        "step 'start': @yielding gave foreach='xs' for self.next(), but where the step leads is known by its source, "
        "without any such argument; give {}"
    )


@pytest.mark.parametrize("answer", [None, (None, None), (None, {}), (None, USER_SKIP_STEP)])
def test_what_a_class_does_not_raise_again_is_over(answer: object) -> None:
    error = ValueError("of the step")
    flow = executed(decorated_flow(Answers(answer=answer), error=error))

    assert flow.seen is error
    assert transition(flow) == NextCall(targets=("end",))


def test_a_class_raises_another_exception_or_the_same_and_without_post_step_the_same() -> None:
    class Nothing(UserStepDecorator):
        pass

    error, other = ValueError("of the step"), KeyError("another")
    for answer in (other, (other, {})):
        with pytest.raises(KeyError) as raised:
            executed(decorated_flow(Answers(answer=answer), error=error))
        assert raised.value.__cause__ is error
    for same in (Answers(answer=error), Nothing):
        with pytest.raises(ValueError, match="of the step") as unchanged:
            executed(decorated_flow(same, error=error))
        assert unchanged.value is error
        assert unchanged.value.__cause__ is None


def test_a_generator_may_return_an_exception_and_arguments_for_next() -> None:
    @user_step_decorator
    def returns(step_name, flow, inputs=None, attributes=None):
        try:
            yield
        except ValueError:
            flow.caught = True
        return attributes["answer"]

    assert executed(decorated_flow(returns(answer=(None, {})), error=ValueError())).caught
    with pytest.raises(KeyError, match="returned"):
        executed(decorated_flow(returns(answer=(KeyError("returned"), None)), error=ValueError()))
    with pytest.raises(KeyError, match="returned"):
        executed(decorated_flow(returns(answer=KeyError("returned"))))


def test_exceptions_of_inner_decorators_are_seen_by_outer_ones() -> None:
    @user_step_decorator
    def fails(step_name, flow, inputs=None):
        raise ValueError("before the step")
        yield

    assert executed(decorated_flow(swallow, fails)).swallowed == "before the step"
    assert executed(decorated_flow(swallow, swallow), "start").ran


def test_what_is_no_ordinary_exception_can_be_seen_but_not_caught() -> None:
    @user_step_decorator
    def catches_all(step_name, flow, inputs=None):
        try:
            yield
        except BaseException as error:  # noqa: BLE001
            flow.seen = type(error).__name__

    class Exits(FlowSpec):
        @catches_all
        @Answers
        @step
        def start(self):
            sys.exit(3)
            self.next(self.end)

        @step
        def end(self):
            pass

    flow = Exits(use_cli=False)
    begin_task(flow, TaskScope(step="start"))
    with pytest.raises(SystemExit):
        run_wrapped(flow, parse(Exits)["start"], (), written_on(Exits.start))
    assert flow.seen == "SystemExit"


def test_a_step_may_raise_what_generators_end_with() -> None:
    with pytest.raises(StopIteration, match="mine"):
        executed(decorated_flow(note, error=StopIteration("mine")))


@pytest.mark.parametrize(
    ("decorator", "expected"),
    [
        (yields(3), "@yielding gave 3 before the step; give a function to run instead, a dictionary to skip the step"),
        (
            Answers(answer=3),
            "@Answers gave 3 after the step; give an exception, nothing, or both that and a dictionary",
        ),
        (Answers(answer=(None, 3)), r"@Answers gave \(None, 3\) after the step"),
        (Answers(answer=("x", {})), r"@Answers gave \('x', {}\) after the step"),
    ],
)
def test_answers_that_mean_nothing_are_told(decorator: Any, expected: str) -> None:
    with pytest.raises(StepError, match=f"step 'start': {expected}"):
        executed(decorated_flow(decorator))


def test_a_generator_yields_once() -> None:
    @user_step_decorator
    def never(step_name, flow, inputs=None):
        if step_name == "other":
            yield

    @user_step_decorator
    def twice(step_name, flow, inputs=None):
        yield
        yield

    @user_step_decorator
    def again(step_name, flow, inputs=None):
        try:
            yield
        except ValueError:
            yield

    class Dictionary(UserStepDecorator):
        def pre_step(self, step_name, flow, inputs=None):
            return {}

    with pytest.raises(StepError, match="step 'start': @never ended without a yield; yield once, also where"):
        executed(decorated_flow(never))
    for decorator, error in ((twice, None), (again, ValueError())):
        with pytest.raises(StepError, match=f"step 'start': @{decorator.__name__} yields a second time; what stands"):
            executed(decorated_flow(decorator, error=error))
    with pytest.raises(StepError, match=r"@Dictionary returned {} from pre_step; to skip the step, set self.skip_step"):
        executed(decorated_flow(Dictionary))


class Whole(FlowSpec):
    """Retried, caught, with facts of the task and artifacts in its decorators."""

    @catch(var="error")
    @retry(times=1, minutes_between_retries=0)
    @swallow
    @step
    def start(self):
        self.attempt = current.retry_count
        if current.retry_count == 0:
            raise KeyError("not swallowed")
        raise ValueError("swallowed")
        self.next(self.end)

    @catch(var="error", print_exception=False)
    @note
    @step
    def end(self):
        raise KeyError("caught in the end")


def test_retry_and_catch_see_what_the_decorators_let_through() -> None:
    ended = run(Whole)

    first, last = ended["start"].task, ended["end"].task
    assert (first.data.attempt, first.data.swallowed, first.data.error) == (1, "swallowed", None)
    assert (last.data.notes[-1], last.data.error.type) == ("note before end", "KeyError")


def test_a_failure_shows_the_users_own_lines_only() -> None:
    printed = run(decorated_flow(note, swallow, error=KeyError("seen")), check=False)["start"].task.stderr

    assert "wrapping.py" not in printed
    assert "KeyError: 'seen'" in printed


def told(flow_class: type[FlowSpec]) -> list[str]:
    """What the check says, without the name of the file."""
    return [f"{problem.line}: {problem.text}" for problem in problems(parse(flow_class)) if problem.file == __file__]


def line_of(function: Any) -> int:
    line: int = function.__code__.co_firstlineno
    return line


def test_a_decorator_that_cannot_work_is_told_where_it_is_defined() -> None:
    def returning(step_name, flow, inputs=None):
        return None

    def few(step_name, flow):
        yield

    def many(step_name, flow, inputs, attributes, more):
        yield

    def keyword(step_name, flow, inputs=None, *, attributes):
        yield

    functions = (returning, few, many, keyword)
    found = told(decorated_flow(*map(user_step_decorator, functions)))

    example = "`def {}(step_name, flow, inputs=None, attributes=None):`"
    assert found == [
        f"{line_of(returning)}: @user_step_decorator returning is no generator; put one yield where the step runs, "
        f"in {example.format('returning')}",
        *(
            f"{line_of(function)}: @user_step_decorator {function.__name__} must take three or four arguments; write "
            f"{example.format(function.__name__)}"
            for function in (few, many, keyword)
        ),
    ]


def test_a_class_that_cannot_work_is_told_where_it_is_defined() -> None:
    class Wrong(UserStepDecorator):
        def __init__(self):
            pass

        def pre_step(self, step_name):
            pass

        def post_step(self, step_name, flow, exception, more):
            pass

    assert told(decorated_flow(Wrong)) == [
        f"{line_of(Wrong.__init__)}: Wrong has an __init__, which is never called; call it init, which gets what the "
        "decorator is written with",
        f"{line_of(Wrong.pre_step)}: Wrong: pre_step must take what it is called with; write "
        "`def pre_step(self, step_name, flow, inputs):`",
        f"{line_of(Wrong.post_step)}: Wrong: post_step must take what it is called with; write "
        "`def post_step(self, step_name, flow, exception):`",
    ]


def test_arguments_that_a_decorator_does_not_take_are_told_at_the_step() -> None:
    class Bare(UserStepDecorator):
        pass

    flow = decorated_flow(Bare(a=1), Answers(question=2), Answers(3), plain(a=1), note("x"))
    line = parse(flow)["start"].line

    assert told(flow) == [
        f"{line}: step 'start': @Bare got arguments that it does not take: it has no `def init(self, …):` to take any",
        f"{line}: step 'start': @Answers got arguments that it does not take: got an unexpected keyword argument "
        "'question'",
        f"{line}: step 'start': @Answers takes no positional argument (3); name it, for example @Answers(name=3)",
        f"{line}: step 'start': @plain got a, but its function takes no attributes; write "
        "`def plain(step_name, flow, inputs=None, attributes=None):`",
        f"{line}: step 'start': @note takes no positional argument ('x'); name it, for example @note(name='x')",
    ]


def test_decorators_at_a_wrong_place_are_told() -> None:
    class ForFlows(FlowMutator):
        pass

    class ForSteps(StepMutator):
        pass

    @ForSteps
    @plain
    class Misplaced(FlowSpec):
        @ForFlows
        @schedule
        @step
        def start(self):
            self.next(self.end)

        @step
        @plain
        def end(self):
            pass

        @plain
        def helper(self):
            pass

    found = [problem.text for problem in problems(parse(Misplaced))]
    assert set(found) == {
        "flow Misplaced: @ForSteps is for steps; write it above the @step of each, or use --with ForSteps",
        "flow Misplaced: @plain is for steps; write it above the @step of each, or use --with plain",
        "step 'start': @ForFlows is for flows; write it above the class",
        "step 'start' has @schedule, which is for flows; write it above the class",
        "step 'end' has @plain below @step; write @step right above the def, and all other decorators above it",
        "method 'helper' has @plain, but is no step; write @step right above its def",
    }


def test_only_functions_become_generator_decorators() -> None:
    with pytest.raises(TypeError, match="@user_step_decorator makes a generator function a decorator; it was put on 3"):
        user_step_decorator(3)  # type: ignore[arg-type]


def test_the_same_decorator_may_stand_twice_and_the_graph_shows_all_with_their_attributes() -> None:
    graph = parse(decorated_flow(note(name="a"), note(name="b"), Answers(answer=None)))
    check(graph)

    shown = [(spec.name, dict(spec.attributes)) for spec in graph["start"].decorators]
    assert shown == [("note", {"name": "a"}), ("note", {"name": "b"}), ("Answers", {"answer": None})]


def test_one_that_is_called_like_a_decorator_of_ours_goes_by_its_whole_name() -> None:
    class retry(UserStepDecorator):
        pass

    (spec,) = written_on(decorated_flow(retry).start)
    assert spec.name == f"{__name__}.{retry.__qualname__}"
    assert parse(decorated_flow(retry))["start"].decorator("retry") is None


DECORATORS = """
from metaflow_hera import UserStepDecorator, user_step_decorator

@user_step_decorator
def {name}(step_name, flow, inputs=None, attributes=None):
    flow.given = attributes
    yield
"""

FLOW = """
from metaflow_hera import FlowSpec, step{more}

class F(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes modules beside flows, and forgets them afterwards."""
    before = {*sys.modules}
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str) -> Path:
        file = tmp_path / f"{name.replace('.', '/')}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    yield write
    for name in {*sys.modules} - before:
        del sys.modules[name]


def with_names(flow: Path, *texts: str) -> list[tuple[str, dict[str, object]]]:
    checked = check_flow(flow, with_=texts)
    return [(spec.name, dict(spec.attributes)) for spec in checked.graph["start"].decorators]


def test_a_text_names_a_decorator_by_its_path_or_by_any_end_of_it(modules: Any) -> None:
    modules("ours_of_texts.deco", DECORATORS.format(name="of_text"))
    flow = modules("text_flow", FLOW.format(more=""))

    assert with_names(flow, "ours_of_texts.deco.of_text:n=3,t=x") == [("of_text", {"n": 3, "t": "x"})]
    assert with_names(flow, "deco.of_text", "of_text:n=1") == [("of_text", {})]
    assert check_flow(flow, with_=["of_text:n=1"]).decorators == ("ours_of_texts.deco.of_text:n=1",)


def test_of_two_of_a_name_the_one_of_the_flow_is_meant(modules: Any) -> None:
    modules("twin_a", DECORATORS.format(name="twin"))
    modules("twin_b", DECORATORS.format(name="twin"))
    neither = modules("neither_flow", FLOW.format(more="") + "\nimport twin_a, twin_b\n")
    flow = modules("twin_flow", FLOW.format(more="") + "\nfrom twin_b import twin\nimport twin_a\n")

    with pytest.raises(UsageError) as caught:
        check_flow(neither, with_=["twin"])
    assert str(caught.value) == "--with twin: 'twin' may be twin_a.twin or twin_b.twin; write the one that is meant"
    assert check_flow(flow, with_=["twin"]).decorators == ("twin_b.twin",)


def test_a_text_that_names_nothing_is_told_with_what_there_is(modules: Any) -> None:
    modules("near_miss", DECORATORS.format(name="nearly_this"))
    modules("broken_module", "1 / 0")
    flow = modules("near_flow", FLOW.format(more="") + "\nimport near_miss\n")

    with pytest.raises(UsageError) as caught:
        check_flow(flow, with_=["nearly_thos", "broken_module.x", "nearly_this.x", "retry:time=1", "near_miss.Other"])
    first, broken, module, attribute, absent = str(caught.value).splitlines()
    assert first.startswith("--with nearly_thos: there is no step decorator 'nearly_thos', did you mean 'nearly_this'?")
    assert "retry, secrets, timeout, and of your own" in first
    assert "near_miss.nearly_this" in first
    assert broken == (
        "--with broken_module.x: 'broken_module.x': its module cannot be imported: ZeroDivisionError: division by zero"
    )
    assert module.startswith("--with nearly_this.x: there is no step decorator 'nearly_this.x'")
    assert attribute.startswith("--with retry:time=1: @retry has no attribute 'time'")
    assert absent.startswith("--with near_miss.Other: there is no step decorator 'near_miss.Other'")


def test_a_text_with_arguments_that_cannot_be_is_told() -> None:
    with pytest.raises(UsageError, match=r"^--with plain:a=1: @plain got a, but its function takes no attributes"):
        parse_decospec("plain:a=1", Whole)


def test_what_is_given_first_counts_and_nothing_replaces_what_is_written(
    modules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = modules(
        "order_flow",
        FLOW.format(more=", retry").replace("    @step\n    def end", "    @retry\n    @step\n    def end"),
    )
    monkeypatch.setenv("METAFLOW_DEFAULT_DECOSPECS", "retry:times=2 resources:cpu=2 timeout:hours=1")

    checked = check_flow(flow, with_=["retry:times=4", "retry:times=3", "resources:cpu=4"])
    given = {each.name: {spec.name: dict(spec.attributes) for spec in each.decorators} for each in checked.graph}
    others = {"resources": {"cpu": 4}, "timeout": {"hours": 1}}
    assert given == {"start": {"retry": {"times": 4}, **others}, "end": {"retry": {}, **others}}
    assert check_flow(flow, defaults=False).decorators == ()
    monkeypatch.setenv("MFHERA_DEFAULT_DECOSPECS", "retry:times=1")
    assert check_flow(flow).decorators == ("retry:times=1",)


def test_the_users_class_stays_as_it_is(modules: Any) -> None:
    flow = modules("stays_flow", FLOW.format(more=""))
    checked = check_flow(flow, with_=["retry"])

    assert written_on(load_flow(flow).start) == ()
    assert (checked.flow_class.__qualname__, checked.flow_class.__module__) == ("F", "stays_flow")
    assert check_flow(flow).graph["start"].decorators == ()


@given(st.from_regex(r"[a-z_.]{0,12}(:[a-z_]{0,5}(=[^\n]{0,6})?)?", fullmatch=True))
def test_any_text_is_a_decorator_or_refused_by_one_sentence_for_each_problem(text: str) -> None:
    try:
        parse_decospec(text, Whole)
    except UsageError as error:
        assert all(line.startswith("--with ") for line in str(error).splitlines())


def test_a_flow_without_any_imports_nothing_of_them() -> None:
    import subprocess

    code = """
import sys
from metaflow_hera import FlowSpec, Parameter, current, retry, step
import metaflow_hera.runtime.__main__, metaflow_hera.runtime.container
print(*(name for name in sys.modules if "user_" in name or "mutab" in name or "wrapping" in name))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_problems_of_a_flow_are_raised_before_it_runs() -> None:
    with pytest.raises(FlowError, match="takes no positional argument"):
        check_flow(decorated_flow(note("x")))
