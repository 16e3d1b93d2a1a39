"""Parameters as text and as values."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera import FlowSpec, JSONType, Parameter, namespace, run, step
from metaflow_hera.deploy.arguments import run_arguments
from metaflow_hera.deploy.source import check_flow
from metaflow_hera.errors import DefaultFailedError, DefaultTypeError, FlowError, ParameterError
from metaflow_hera.flow.parameter_rules import problems_of_parameters
from metaflow_hera.flow.parameter_values import parameter_values, resolve_defaults
from metaflow_hera.flow.parameters import NONE, parameters_of
from metaflow_hera.settings import Settings

texts = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != NONE)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
json_values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=10)


@pytest.mark.parametrize(
    ("type", "values"),
    [(str, texts), (int, st.integers(-(10**30), 10**30)), (float, st.floats(allow_nan=False)), (bool, st.booleans())],
)
def test_every_value_survives_its_text(type, values) -> None:
    @given(values)
    def survives(value: object) -> None:
        parameter = Parameter("p", type=type)
        assert parameter.from_text(parameter.to_text(value)) == value

    survives()


@given(json_values)
def test_every_json_value_survives_its_text(value: object) -> None:
    parameter = Parameter("p", type=JSONType)

    assert parameter.from_text(parameter.to_text(value)) == value


@pytest.mark.parametrize(
    ("parameter", "value", "text"),
    [
        (Parameter("p"), 'it\'s "so"', 'it\'s "so"'),
        (Parameter("p"), "", ""),
        (Parameter("p"), None, "<none>"),
        (Parameter("p", type=int), 5, "5"),
        (Parameter("p", type=float), 0.01, "0.01"),
        (Parameter("p", type=float), math.inf, "Infinity"),
        (Parameter("p", type=bool), True, "true"),
        (Parameter("p", type=JSONType), {"a": [None, "ü"]}, '{"a": [null, "ü"]}'),
        (Parameter("p", separator=","), ["a", "b"], "a,b"),
    ],
)
def test_a_text_is_what_a_person_would_type(parameter: Parameter, value: object, text: str) -> None:
    assert parameter.to_text(value) == text
    assert parameter.from_text(text) == value


@pytest.mark.parametrize(
    ("parameter", "text", "value"),
    [
        (Parameter("p", type=int), " 7 ", 7),
        (Parameter("p", type=float), "1e3", 1000.0),
        (Parameter("p", type=bool), "Yes", True),
        (Parameter("p", type=bool), "0", False),
        (Parameter("p", type=JSONType), "null", None),
        (Parameter("p", separator="::"), "a::b::", ["a", "b", ""]),
    ],
)
def test_other_texts_mean_the_same(parameter: Parameter, text: str, value: object) -> None:
    assert parameter.from_text(text) == value


@pytest.mark.parametrize(
    ("type", "text", "expected"),
    [
        (int, "5.0", "parameter 'p' takes a whole number, not '5.0'"),
        (int, "", "parameter 'p' takes a whole number, not ''"),
        (int, "9" * 5000, "parameter 'p' takes a whole number, not '999"),
        (float, "half", "parameter 'p' takes a number, not 'half'"),
        (bool, "maybe", "parameter 'p' takes true or false, not 'maybe'"),
        (JSONType, "{'a': 1}", "parameter 'p' takes JSON, not \"{'a': 1}\" (Expecting property name"),
        (JSONType, "[" * 100_000, "parameter 'p' takes JSON, not '[[["),
        (str, "\ud800", "parameter 'p' takes a text, not '\\ud800'"),
    ],
)
def test_a_text_that_cannot_be_a_value_is_told_with_what_is_expected(type, text: str, expected: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Parameter("p", type=type).from_text(text)

    assert str(caught.value).startswith(expected)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("parameter", "type", "required", "value"),
    [
        (Parameter("p"), str, False, None),
        (Parameter("p", default=1), int, False, 1),
        (Parameter("p", default=True), bool, False, True),
        (Parameter("p", default=[1]), JSONType, False, [1]),
        (Parameter("p", default="[1]", type=JSONType), JSONType, False, [1]),
        (Parameter("p", default=1, type=float), float, False, 1.0),
        (Parameter("p", default="3", type=int), int, False, 3),
        (Parameter("p", default=3, type=str), str, False, "3"),
        (Parameter("p", default="a b", separator=" "), str, False, ["a", "b"]),
        (Parameter("p", default=["a"], separator=" "), str, False, ["a"]),
        (Parameter("p", required=True, default=0), int, False, 0),
        (Parameter("p", required=True), str, True, None),
    ],
)
def test_type_and_need_follow_from_the_default(parameter: Parameter, type, required: bool, value: object) -> None:
    assert (parameter.type, parameter.required) == (type, required)
    assert parameter.value_of(parameter.default) == value


class Base(FlowSpec):
    first = Parameter("first", default=1)
    second = Parameter("second", default="x")


class Flow(Base):
    needed = Parameter("needed", type=float, required=True, help="What is needed")
    second = Parameter("renamed", default=2)
    computed = Parameter(
        "computed", type=JSONType, default=lambda context: json.dumps([context.user_name, context.ds_type])
    )
    first_step = 5


def test_parameters_are_inherited_and_replaced_and_keep_the_order_of_the_source() -> None:
    found = parameters_of(Flow)

    assert {attribute: parameter.name for attribute, parameter in found.items()} == {
        "first": "first",
        "second": "renamed",
        "needed": "needed",
        "computed": "computed",
    }
    assert found["needed"].help == "What is needed"


def test_defaults_are_resolved_once_and_without_those_that_must_be_given() -> None:
    calls = []

    class Counting(FlowSpec):
        p = Parameter("a-b", default=lambda context: calls.append(context) or context.parameter_name)
        q = Parameter("q", required=True)
        r = Parameter("r")

    assert resolve_defaults(Counting, "alice") == {"a-b": "a-b", "r": None}
    assert [(c.flow_name, c.user_name, c.parameter_name, c.ds_type, dict(c.configs)) for c in calls] == [
        ("Counting", "alice", "a-b", "local", {})
    ]
    assert resolve_defaults(Flow, "alice", "s3")["computed"] == ["alice", "s3"]


def test_what_is_wrong_with_deploy_time_functions_is_told_at_once() -> None:
    class Failing(FlowSpec):
        a = Parameter("a", default=lambda context: 1 / 0)
        b = Parameter("b", type=int, default=lambda context: "many")
        c = Parameter("c", type=JSONType, default=lambda context: {1, 2})

    with pytest.raises(FlowError) as caught:
        resolve_defaults(Failing, "alice")

    assert str(caught.value).splitlines() == [
        "the function for the default of parameter 'a' raised ZeroDivisionError: division by zero",
        "the function for the default of parameter 'b' takes a whole number, not 'many'",
        "the function for the default of parameter 'c' takes JSON, not {1, 2} "
        "(JSON cannot hold it: Object of type set is not JSON serializable)",
    ]


def test_a_deploy_time_function_can_log(capsys: pytest.CaptureFixture[str]) -> None:
    class Logging(FlowSpec):
        p = Parameter("p", default=lambda context: context.logger("hello"))

    resolve_defaults(Logging, "alice")

    assert capsys.readouterr().err == "hello\n"


def test_values_come_from_texts_and_static_defaults() -> None:
    values = parameter_values(Flow, {"needed": "0.5", "renamed": "7", "computed": "{}"})

    assert values == {"first": 1, "second": 7, "needed": 0.5, "computed": {}}


def test_everything_that_is_wrong_with_texts_is_told_at_once() -> None:
    with pytest.raises(ParameterError) as caught:
        parameter_values(Flow, {"first": "one", "second": "2", "needed": NONE})

    assert str(caught.value).splitlines() == [
        "Flow has no parameter 'second'; it has first, renamed, needed, computed",
        "parameter 'first' takes a whole number, not 'one'",
        "parameter 'needed' must be given (--needed): a number",
        "parameter 'computed' must be given (--computed): JSON",
    ]


def problems(*parameters: Parameter) -> list[str]:
    """What is wrong with a flow of these parameters."""
    flow = type("Odd", (FlowSpec,), {f"p{number}": parameter for number, parameter in enumerate(parameters)})
    return list(problems_of_parameters(flow))


def test_only_the_default_can_be_a_function() -> None:
    def function(context: object) -> bool:
        return True

    assert problems(
        Parameter("a", required=function),
        Parameter("b", show_default=function),
        Parameter("c", help=function, default=function),
        Parameter("d", separator=function),
    ) == [
        "parameter 'a': required cannot be a function; only the default can",
        "parameter 'b': show_default cannot be a function; only the default can",
        "parameter 'c': help cannot be a function; only the default can",
        "parameter 'd': separator cannot be a function; only the default can",
        f"parameter 'd': the separator must be a text that is not empty, not {function!r}",
    ]


@pytest.mark.parametrize("name", ["with", "tag", "run_id", "run-id-file", "Max-Workers", "script", "decospecs"])
def test_names_of_options_of_every_flow_are_taken(name: str) -> None:
    assert problems(Parameter(name)) == [f"parameter {name!r} has the name of an option of every flow; rename it"]


def test_names_differ_by_more_than_capitals_and_dashes() -> None:
    assert problems(Parameter("learning-rate"), Parameter("Learning_Rate")) == [
        "parameters 'p0' and 'p1' have the same name, 'Learning_Rate', where capitals, '-' and '_' count for nothing; "
        "rename one"
    ]


@pytest.mark.parametrize("parts", [["a,b", "c"], [], ["<none>"]])
def test_a_list_that_its_separator_would_change_is_refused(parts: list[str]) -> None:
    with pytest.raises(ParameterError, match=r"it would be read as other texts"):
        Parameter("p", separator=",").value_of(parts)


def test_what_went_wrong_with_a_deploy_time_function_can_be_told_apart() -> None:
    class Failing(FlowSpec):
        a = Parameter("a", default=lambda context: 1 / 0)

    class Odd(FlowSpec):
        a = Parameter("a", default=lambda context: "x", type=int)

    with pytest.raises(DefaultFailedError):
        resolve_defaults(Failing, "alice")
    with pytest.raises(DefaultTypeError):
        resolve_defaults(Odd, "alice")


class Runnable(FlowSpec):
    alpha = Parameter("alpha", default=0.5)
    csv = Parameter("csv-file", required=True)
    parts = Parameter("parts", separator=";", default="a;b")
    computed = Parameter("computed", default=lambda context: "computed")

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


def test_an_option_counts_more_than_the_environment_and_that_more_than_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("METAFLOW_RUN_CSV_FILE", "peer.csv")
    monkeypatch.setenv("METAFLOW_RUN_PARTS", "x;y")
    monkeypatch.setenv("METAFLOW_RUN_ALPHA", "")
    monkeypatch.setenv("METAFLOW_RUN_NOTHING", "of another flow")
    flow, settings = check_flow(Runnable), Settings.load()

    expected = {"alpha": "0.5", "csv-file": "peer.csv", "parts": "x;y", "computed": "computed"}
    assert run_arguments(flow, {}, settings).texts == expected
    monkeypatch.setenv("MFHERA_RUN_PARTS", "ours")
    assert run_arguments(flow, {"csv-file": "mine"}, settings).texts == expected | {"csv-file": "mine", "parts": "ours"}
    namespace(None)
    assert run(Runnable).data.parts == ["ours"]


def test_what_is_wrong_in_the_environment_is_told_with_the_variable_and_all_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("METAFLOW_RUN_ALPHA", "half")

    with pytest.raises(ParameterError) as caught:
        run_arguments(check_flow(Runnable), {"partz": "x"}, Settings.load())

    assert str(caught.value).splitlines() == [
        "METAFLOW_RUN_ALPHA: parameter 'alpha' takes a number, not 'half'",
        "Runnable has no parameter 'partz'; it has alpha, csv-file, parts, computed",
        "parameter 'csv-file' must be given (--csv-file): a text",
    ]


def test_outside_of_a_run_a_parameter_has_its_default_or_says_why_not() -> None:
    flow = Runnable(use_cli=False)

    assert (flow.alpha, flow.csv, flow.parts) == (0.5, None, ["a", "b"])
    with pytest.raises(AttributeError, match="parameter 'computed' has a value when a run has started, not before"):
        _ = flow.computed
