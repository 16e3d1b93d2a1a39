"""Each rule of a flow by a flow that breaks it, and the message that says where, what, and what to do."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from metaflow_hera.errors import FlowError
from metaflow_hera.flow.decospec import parse_decospec
from metaflow_hera.flow.derived import with_added
from metaflow_hera.flow.load import load_flow
from metaflow_hera.graph.check import check, problems
from metaflow_hera.graph.model import Switch, Unclear
from metaflow_hera.graph.parse import parse

HEAD = """
from metaflow_hera import FlowSpec, JSONType, Parameter, step
from metaflow_hera import catch, environment, kubernetes, resources, retry, schedule, timeout
"""
CORRECT = """
class F(FlowSpec):
    @step
    def start(self):
        self.next(self.end)
    @step
    def end(self):
        pass
"""


def told(folder: Path, source: str) -> list[str]:
    """The problems of a flow, each with its line counted from the first one of *source*."""
    file = folder / "broken_flow.py"
    file.write_text(HEAD.strip() + "\n" + textwrap.dedent(source).lstrip("\n"), encoding="utf-8")
    found = problems(parse(load_flow(file)))
    assert all(problem.file == str(file) for problem in found)
    return [problem.text if problem.line is None else f"{problem.line - 2}: {problem.text}" for problem in found]


def test_a_correct_flow_has_no_problems(tmp_path: Path) -> None:
    assert told(tmp_path, CORRECT) == []


BRANCHES = """
class F(FlowSpec):
    @step
    def start(self): {start}
    @step
    def a(self): {a}
    @step
    def b(self): {b}
    @step
    def j(self, inputs): {j}
    @step
    def k({k_args}): {k}
    @step
    def end(self): pass
"""


def branches(**bodies: str) -> str:
    usual = {
        "start": "self.next(self.a, self.b)",
        "a": "self.next(self.j)",
        "b": "self.next(self.j)",
        "j": "self.next(self.k)",
        "k": "self.next(self.end)",
        "k_args": "self",
    }
    return BRANCHES.format(**{**usual, **bodies})


@pytest.mark.parametrize(
    ("bodies", "expected"),
    [
        ({}, []),
        (
            {"a": "pass"},
            ["5: step 'a' has no self.next(); write one as its last statement, for example self.next(self.end)"],
        ),
        ({"a": "self.next(self.jj)"}, ["5: step 'a' goes to 'jj', which is not a step; did you mean 'j'?"]),
        (
            {"a": "self.next(self.nowhere)"},
            ["5: step 'a' goes to 'nowhere', which is not a step; add a method 'nowhere' with @step, or"],
        ),
        (
            {"a": "self.next(self.k)"},
            [
                "9: step 'j' joins the split of 'start', but branch 'a' does not lead to it",
                "11: step 'k' comes after tasks of different splits: 'a' is in the split of 'start'; 'j' is in no "
                "split; join those of each split in a step of their own first",
            ],
        ),
        (
            {"start": "self.next(self.a)", "b": "self.next(self.end)"},
            [
                "7: step 'b' cannot be reached from 'start'; lead a step to it, or remove it",
                "9: step 'j' takes inputs, but no split is open before it; write `def j(self):`",
            ],
        ),
        (
            {"j": "self.next(self.a, self.k)"},
            [
                "5: step 'a' is part of a loop, a -> j -> a; only a step alone can repeat itself, by a condition, "
                "so lead one of these elsewhere"
            ],
        ),
        (
            {"start": "self.next(self.a, self.b, self.k)", "j": "self.next(self.end)", "k_args": "self, inputs"},
            ["9: step 'j' joins the split of 'start', but branch 'k' does not lead to it"],
        ),
        (
            {"start": "self.next(self.a, foreach='xs')", "a": "self.next(self.k)", "b": "self.next(self.end)"},
            ["7: step 'b' cannot be reached"],
        ),
    ],
)
def test_splits_and_joins(tmp_path: Path, bodies: dict[str, str], expected: list[str]) -> None:
    found = told(tmp_path, branches(**bodies))

    assert all(any(line.startswith(text) for line in found) for text in expected), found
    assert bool(found) == bool(expected)


def body(statement: str) -> str:
    """A flow whose start ends with *statement*, on its line 4."""
    return f"""
class F(FlowSpec):
    @step
    def start(self):
        {statement}
    @step
    def a(self):
        self.next(self.end)
    @step
    def b(self):
        self.next(self.end)
    @step
    def end(self):
        pass
"""


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("self.next()", "calls self.next() without a step"),
        ("self.next(self.a, self.a)", "names 'a' twice"),
        ("self.next('a')", "gives self.next() 'a', which is not written as a step"),
        ("self.next(self.a())", "gives self.next() self.a(), which is not written as a step"),
        ("self.next(*[self.a])", "gives self.next() *[self.a], which is not written as a step"),
        ("self.next(self.a, **{})", "gives self.next() **, which it does not take"),
        ("self.next(self.a, for_each='x')", "gives self.next() for_each, which it does not take"),
        ("self.next(self.a, self.b, foreach='x')", "has a foreach with 2 steps"),
        ("self.next(self.a, foreach=self.xs)", "has a foreach over self.xs; write the name of an artifact in quotes"),
        ("self.next(self.a, foreach='not a name')", "has a foreach over 'not a name'"),
        ("self.next(self.a, foreach='x' + 'y')", "has a foreach over 'x' + 'y'"),
        ("self.next(self.a, self.b, num_parallel=2)", "has a num_parallel with 2 steps; it goes to exactly one"),
        ("self.next(num_parallel=2)", "has a num_parallel with 0 steps; it goes to exactly one"),
        ("self.next(self.a, foreach='x', num_parallel=2)", "gives self.next() both foreach and num_parallel"),
        ("self.next({'x': self.a, 'y': self.b}, foreach='c')", "has a switch that is not written as"),
        ("self.next({'x': self.a, 'y': self.b}, condition='c', num_parallel=2)", "has a switch that is not written as"),
        ("self.next({'x': self.a}, self.b, condition='c')", "has a switch that is not written as"),
        ("self.next(self.a, condition='c')", "has a switch that is not written as"),
        ("self.next({}, condition='c')", "has a switch without two different cases"),
        ("self.next({None: self.a, 'y': self.b}, condition='c')", "has the case None; write each case as a text"),
        ("self.next({'x': self.a, 'y': self.start}, condition='c')", "is the first one, and cannot repeat itself"),
        ("self.next({1: self.a, True: self.b}, condition='c')", "has the case True twice, as Python compares"),
        ("self.next({0.0: self.a, -0: self.b}, condition='c')", "has the case -0 twice, as Python compares"),
        ("self.next({self.c.k: self.a, self.c.k: self.b}, condition='c')", "has the case self.c.k twice"),
        ("self.next({self.key: self.a, 'y': self.b}, condition='c')", "has the case self.key; write each case as"),
        ("self.next({self.c['k']: self.a, 'y': self.b}, condition='c')", "has the case self.c['k']; write each case"),
        ("self.next({c.k: self.a, 'y': self.b}, condition='c')", "has the case c.k; write each case as a text"),
        ("self.next({f'x': self.a, 'y': self.b}, condition='c')", "has the case f'x'; write each case as a text"),
        ("self.next({-'x': self.a, 'y': self.b}, condition='c')", "has the case -'x'; write each case as a text"),
        ("self.next({('x',): self.a, 'y': self.b}, condition='c')", "has the case ('x',); write each case as a text"),
        ("self.next({'x': self.a, 'y': self.b})", "has a switch that is not written as"),
        ("self.next({'x': self.a, 'y': self.b}, condition=self.c)", "has the condition self.c"),
        ("self.next({x: self.a, 'y': self.b}, condition='c')", "has the case x; write each case as a text"),
        ("self.next({**x, 'y': self.b}, condition='c')", "has the case **"),
        ("self.next({'x': self.a}, condition='c')", "has a switch without two different cases"),
        ("self.next({'x': 'a', 'y': self.b}, condition='c')", "goes to 'a', which is not written as a step"),
        ("self.next(self.a); print()", "has self.next() before its end or inside of another statement"),
        ("return self.next(self.a)", "has self.next() before its end or inside of another statement"),
        ("return; self.next(self.a)", "has a return before self.next(), which is never reached then; remove it"),
        ("[self.next(self.a)]", "has self.next() before its end or inside of another statement"),
        ("if self: self.next(self.a)", "has self.next() before its end or inside of another statement"),
        ("self.next(self.a); self.next(self.b)", "calls self.next() more than once, on lines 6, 6"),
        ("f = lambda: self.next(self.b); self.next(self.a)", "calls self.next() more than once"),
    ],
)
def test_what_is_no_clear_transition_is_told_at_its_line(tmp_path: Path, statement: str, expected: str) -> None:
    found = told(tmp_path, body(statement))

    assert any(line.startswith(f"4: step 'start' {expected}") for line in found), found


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        ("{'x': self.a, \"y\": self.b}", [("'x'", "a"), ("'y'", "b")]),
        ("{1: self.a, -2.5: self.b, True and 3: self.b}", None),
        ("{1: self.a, -2.5: self.b, False: self.b}", [("1", "a"), ("-2.5", "b"), ("False", "b")]),
        ("{self.config.fast: self.a, self.config.mode.slow: self.b}", None),
        ("{b'x': self.a, 2j: self.b}", [("b'x'", "a"), ("2j", "b")]),
    ],
)
def test_the_cases_of_a_switch_are_read(tmp_path: Path, cases: str, expected: list[tuple[str, str]] | None) -> None:
    file = tmp_path / "switch_flow.py"
    file.write_text(HEAD + body(f"self.next({cases}, condition='kind')"), encoding="utf-8")
    found = parse(load_flow(file))["start"].transition

    if "config" in cases:
        assert found == Switch((("self.config.fast", "a"), ("self.config.mode.slow", "b")), "kind")
    elif expected is None:
        assert isinstance(found, Unclear)
    else:
        assert found == Switch(tuple(expected), "kind")


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("def s():", "lacks the argument self"),
        ("def s(self, inputs, more):", "takes other arguments than self"),
        ("def s(self, *rest):", "takes other arguments than self"),
        ("def s(self, **rest):", "takes other arguments than self"),
        ("def s(self, *, key):", "takes other arguments than self"),
        ("async def s(self):", "is an async function"),
        ("def s(self): yield;", "has a yield"),
        ("def __s(self):", "has a name with two underscores at its beginning"),
    ],
)
def test_what_is_no_step_is_told(tmp_path: Path, definition: str, expected: str) -> None:
    found = told(tmp_path, f"class F(FlowSpec):\n    @step\n    {definition} self.next(self.end)\n")

    assert any(line.startswith("3: step ") and expected in line for line in found), found


@pytest.mark.parametrize(
    "name", ["next", "input", "index", "name", "cmd", "foreach_stack", "merge_artifacts", "_parameters"]
)
def test_a_step_cannot_have_a_name_of_every_flow(tmp_path: Path, name: str) -> None:
    found = told(tmp_path, f"class F(FlowSpec):\n    @step\n    def {name}(self): pass\n")

    assert f"3: step {name!r} has a name that every flow has already; rename it" in found


@pytest.mark.parametrize(
    ("decorator", "expected"),
    [
        ("@retry(times=-1)", "@retry: times must be a whole number of at least 0, not -1"),
        ("@retry(times='many')", "@retry: times must be a whole number of at least 0, not 'many'"),
        ("@retry(tries=1)", "@retry has no attribute 'tries'; its attributes are times, minutes_between_retries"),
        ("@retry(3)", "@retry takes no positional argument (3)"),
        ("@timeout", "@timeout: needs a duration"),
        ("@timeout(seconds=0)", "@timeout: needs a duration"),
        ("@timeout(minutes=-1)", "@timeout: minutes must be a whole number of at least 0"),
        ("@timeout(seconds=float('nan'))", "@timeout: seconds must be a whole number of at least 0"),
        ("@catch(var=3)", "@catch: var must be the name of an artifact"),
        ("@catch(var='a b')", "@catch: var must be the name of an artifact"),
        ("@environment(vars=['A'])", "@environment: vars must be a dictionary"),
        ("@environment(vars={'A=B': '1'})", "@environment: vars: 'A=B' cannot be the name of an environment variable"),
        ("@environment(vars={1: '1'})", "@environment: the keys of vars must be texts"),
        ("@environment(vars={'A': None})", "@environment: vars: the value of A must be a text or a number"),
        ("@resources(cpu=0)", "@resources: cpu must be a number above 0"),
        ("@resources(memory='4Gi')", "@resources: memory must be a number above 0, not '4Gi'"),
        ("@resources(gpu='one')", "@resources: gpu must be a whole number of at least 0"),
        ("@resources(cpu=True)", "@resources: cpu must be a number above 0"),
        ("@kubernetes(image='')", "@kubernetes: image must be a text"),
        (
            "@kubernetes(image_pull_policy='never')",
            "@kubernetes: image_pull_policy must be one of Always, IfNotPresent, Never",
        ),
        ("@kubernetes(gpu_vendor='x')", "@kubernetes: gpu_vendor must be one of nvidia, amd"),
        ("@kubernetes(qos='best')", "@kubernetes: qos must be one of burstable, guaranteed"),
        ("@kubernetes(tolerations={'key': 'a'})", "@kubernetes: tolerations must be a list of dictionaries"),
        ("@kubernetes(tolerations=[{'keys': 'a'}])", "@kubernetes: a toleration has no 'keys'"),
        ("@kubernetes(tolerations=[{'effect': 'No'}])", "@kubernetes: the effect of a toleration must be one of"),
        ("@kubernetes(tolerations=[{'effect': ['x']}])", "@kubernetes: the effect of a toleration must be one of"),
        ("@kubernetes(labels={'a b': 'c'})", "@kubernetes: labels: 'a b' is no key that Kubernetes takes"),
        (
            "@kubernetes(labels={'a': 'x y'})",
            "@kubernetes: labels: 'x y' is no value that Kubernetes takes for a label",
        ),
        ("@kubernetes(annotations={'é': ''})", "@kubernetes: annotations: 'é' is no key that Kubernetes takes"),
        ("@kubernetes(node_selector='gpu')", "@kubernetes: node_selector must be 'key=value,…' or a dictionary"),
        ("@kubernetes(secrets=[1])", "@kubernetes: secrets must be names of Kubernetes Secrets"),
        (
            "@kubernetes(persistent_volume_claims={'c': 'data'})",
            "@kubernetes: persistent_volume_claims: the path of 'c'",
        ),
        ("@kubernetes(tmpfs_size=0)", "@kubernetes: tmpfs_size must be a whole number of at least 1"),
        ("@kubernetes(extended_resources={'a/b': 'x'})", "@kubernetes: extended_resources: the amount of a/b"),
        ("@kubernetes(use_tmpfs='yes')", "@kubernetes: use_tmpfs must be True or False"),
        ("@kubernetes(port='http')", "@kubernetes: port must be a whole number of at least 1"),
    ],
)
def test_a_decorator_says_what_it_cannot_have(tmp_path: Path, decorator: str, expected: str) -> None:
    found = told(tmp_path, CORRECT.replace("    @step\n    def end", f"    {decorator}\n    @step\n    def end"))

    assert len(found) == 1
    assert found[0].startswith(f"7: step 'end': {expected}"), found


@pytest.mark.parametrize(
    "decorator",
    [
        "@retry",
        "@retry()",
        "@retry(times=0)",
        "@retry(times='3', minutes_between_retries='0.5')",
        "@timeout(hours='1')",
        "@catch",
        "@environment(vars={'A': 1, 'B': 'x', 'C': 0.5})",
        "@resources(cpu='0.5', memory='500', gpu=1)",
        "@kubernetes(secrets='a, b', node_selector='k=v,x/y=z', labels={'a': 1}, qos='Guaranteed', port=8080)",
        "@kubernetes(tolerations=[{'key': 'a', 'operator': 'Exists', 'effect': '', 'toleration_seconds': 5}])",
    ],
)
def test_a_correct_decorator_is_taken(tmp_path: Path, decorator: str) -> None:
    assert told(tmp_path, CORRECT.replace("    @step\n    def end", f"    {decorator}\n    @step\n    def end")) == []


def test_decorators_at_wrong_places_are_told(tmp_path: Path) -> None:
    source = """
    @retry
    @schedule(cron=1, timezone="Nowhere")
    class F(FlowSpec):
        @retry
        @retry
        @step
        @timeout(seconds=1)
        def start(self):
            self.next(self.work, foreach="xs")
        @schedule(daily=True)
        @step
        def work(self):
            self.next(self.join)
        @catch
        def forgotten(self):
            pass
        @catch
        @step
        def join(self, inputs):
            self.next(self.more, foreach="xs")
        @step
        def more(self, inputs):
            self.next(self.end)
        @step
        def end(self, inputs):
            self.next(self.start)
    """
    found = told(tmp_path, source)

    assert found == [
        "1: flow F: @retry is for steps; write it above the @step of each, or use --with retry",
        "2: flow F: @schedule: cron must be a text, not 1",
        "2: flow F: @schedule: timezone 'Nowhere' is not in the IANA database; write for example 'Europe/Berlin'",
        "8: step 'start' has @timeout below @step; write @step right above the def, and all other decorators above it",
        "8: step 'start' has @retry 2 times; keep one",
        "12: step 'work' has @schedule, which is for flows; write it above the class",
        "14: method 'forgotten' has @catch, but is no step; write @step right above its def",
        "19: step 'join' takes inputs and also splits; join in one step and split in the next",
        "19: step 'join' has @catch, but if it failed nobody would know how many tasks come next; remove @catch here",
        "22: step 'more' joins the foreach over 'xs' of 'join' that leads straight to it; "
        "write a step for the items between them",
        "25: step 'end' is the last one, but takes inputs; write a step before it that joins the branches",
        "26: step 'end' goes to 'start', the first step, to which nothing may lead",
        "26: step 'end' is the last one, but calls self.next(); remove that",
    ]


def test_start_and_end_can_have_other_names(tmp_path: Path) -> None:
    source = """
    class F(FlowSpec):
        @step(start=True)
        def first(self):
            self.next(self.last)
        @retry
        @step(end=True)
        def last(self):
            pass
    """
    assert told(tmp_path, source) == []


def test_a_flow_of_one_step_is_legal(tmp_path: Path) -> None:
    assert told(tmp_path, "class F(FlowSpec):\n    @step(start=True, end=True)\n    def only(self): pass\n") == []


def test_a_flow_of_one_step_needs_no_source() -> None:
    """As in a shell, which keeps none."""
    made: dict[str, Any] = {}
    text = "class F(FlowSpec):\n    @step(start=True, end=True)\n    def only(self): self.x = 1\n"
    exec(HEAD + text, made)
    made["F"].__module__ = "__main__"

    assert problems(parse(made["F"])) == ()


def test_ambiguous_or_missing_ends_are_told(tmp_path: Path) -> None:
    source = """
    class F(FlowSpec):
        @step(start=True)
        def first(self):
            self.next(self.start)
        @step(start=True)
        def start(self):
            pass
    """
    assert told(tmp_path, source) == [
        "flow F: first, start all have @step(start=True); only one step can be the start",
        "flow F has no last step; call it 'end', or mark it with @step(end=True)",
        "6: step 'start' has no self.next(); write one as its last statement, for example self.next(self.end)",
    ]


def test_a_flow_without_steps_is_told(tmp_path: Path) -> None:
    assert told(tmp_path, "class F(FlowSpec):\n    def start(self): pass\n") == [
        "flow F has no steps; write @step right above the methods that are its steps"
    ]


def test_parameters_that_cannot_be_are_told_with_the_rest(tmp_path: Path) -> None:
    source = """
    class F(FlowSpec):
        a = Parameter("a-b", type=int, default="x")
        b = Parameter("A_B")
        c = Parameter("with space")
        d = Parameter("max-workers")
        e = Parameter("e", type=list)
        f = Parameter("f", separator=",", type=int)
        g = Parameter("g", separator="")
        h = Parameter("h", type=JSONType, default="not json")
        i = Parameter("i", defualt=1)
        j = Parameter("j", type=int, default=True)
        input = Parameter("k")
        name = 5
        @step
        def start(self):
            self.next(self.end)
        @step
        def end(self):
            pass
    """
    assert [line.removeprefix("flow F: ") for line in told(tmp_path, source)] == [
        "parameter 'a-b': the default does not fit, as it takes a whole number, not 'x'",
        "parameters 'a' and 'b' have the same name, 'A_B', where capitals, '-' and '_' count for nothing; rename one",
        "parameter 'with space': a name has ASCII letters, digits, '_' and '-', and does not begin with '-'",
        "parameter 'max-workers' has the name of an option of every flow; rename it",
        "parameter 'e': the type must be str, int, float, bool or JSONType, not <class 'list'>",
        "parameter 'f': a separator is for texts, not for int",
        "parameter 'g': the separator must be a text that is not empty, not ''",
        "parameter 'h': the default does not fit, as it takes JSON, not 'not json' "
        "(Expecting value: line 1 column 1 (char 0))",
        "parameter 'i': has no option 'defualt'; it takes default, type, help, required, show_default, separator",
        "parameter 'j': the default does not fit, as it takes a whole number, not True (it is of type bool)",
        "'input' is a name that every flow has already; rename the parameter or constant",
        "'name' is a name that every flow has already; rename the parameter or constant",
    ]


def test_check_raises_everything_at_once_with_files_and_lines(tmp_path: Path) -> None:
    file = tmp_path / "broken_flow.py"
    file.write_text(HEAD + branches(a="self.next(self.x)", b="self.next()"))

    with pytest.raises(FlowError) as caught:
        check(parse(load_flow(file)))

    assert [line.split(" step ")[0] for line in str(caught.value).splitlines()] == [f"{file}:9:", f"{file}:11:"]


def test_decorators_of_with_are_added_to_steps_that_have_none_of_their_kind(tmp_path: Path) -> None:
    file = tmp_path / "a_flow.py"
    file.write_text(HEAD + CORRECT.replace("    @step\n    def end", "    @retry(times=0)\n    @step\n    def end"))
    flow = load_flow(file)

    graph = parse(with_added(flow, [parse_decospec("retry:times=4").spec, parse_decospec("resources:cpu=2").spec]))

    given = {step.name: {spec.name: dict(spec.attributes) for spec in step.decorators} for step in graph}
    assert given == {
        "start": {"retry": {"times": 4}, "resources": {"cpu": 2}},
        "end": {"retry": {"times": 0}, "resources": {"cpu": 2}},
    }


def test_what_cannot_be_an_artifact_cannot_be_caught_into(tmp_path: Path) -> None:
    source = (
        CORRECT.replace("    @step\n    def end", "    @catch(var='LIMIT')\n    @step\n    def end") + "    LIMIT = 3\n"
    )

    assert told(tmp_path, source) == [
        "7: step 'end' has @catch(var='LIMIT'), but 'LIMIT' is something else of the flow; rename one"
    ]


def test_an_initialiser_that_tasks_cannot_call_is_told(tmp_path: Path) -> None:
    assert told(tmp_path, CORRECT + "    def __init__(self):\n        super().__init__()\n") == [
        "flow F: its __init__ does not take use_cli; remove it, and set artifacts in the first step"
    ]
    assert told(tmp_path, CORRECT + "    def __init__(self, use_cli=True):\n        super().__init__(use_cli)\n") == []


SWITCHES = """
class F(FlowSpec):
    @step
    def start(self): {start}
    @step
    def a({a_args}): {a}
    @step
    def b({b_args}): {b}
    @step
    def c({c_args}): {c}
    @step
    def d({d_args}): {d}
    @step
    def end({end_args}): pass
"""


def steps(**bodies: str) -> str:
    """A flow of start, a, b, c, d and end; what ``c_args`` and the like do not say has no inputs."""
    arguments = {f"{name}_args": "self" for name in ("a", "b", "c", "d", "end")}
    return SWITCHES.format(**{**arguments, **bodies})


CHOOSE_AB = "self.next({'x': self.a, 'y': self.b}, condition='k')"
JOIN = "self, inputs"


@pytest.mark.parametrize(
    "bodies",
    [
        {"start": CHOOSE_AB, "a": "self.next(self.c)", "b": "self.next(self.c)"},
        {"start": "self.next({'x': self.a, 'y': self.c}, condition='k')", "a": "self.next(self.b)"},
        {"start": CHOOSE_AB, "a": "self.next({1: self.c, 2: self.d, 3: self.b}, condition='k')"},
        {"start": "self.next(self.a, foreach='xs')", "a": "self.next({1: self.b, 2: self.c}, condition='k')"}
        | {"c_args": JOIN},
        {"start": "self.next(self.a, self.b)", "a": "self.next({1: self.c, 2: self.d}, condition='k')"}
        | {"b": "self.next(self.d)", "c": "self.next(self.d)", "d_args": JOIN},
        {"start": CHOOSE_AB, "a": "self.next(self.c, foreach='xs')", "b": "self.next(self.end)", "d_args": JOIN},
        {"start": "self.next(self.a)", "a": "self.next({1: self.a, 2: self.b}, condition='k')"},
        {"start": "self.next(self.a)", "a": "self.next({1: self.a, 2: self.b, 3: self.c}, condition='k')"},
        {"start": "self.next({'x': self.a, 'y': self.a}, condition='k')"},
    ],
)
def test_a_switch_that_is_whole_is_taken(tmp_path: Path, bodies: dict[str, str]) -> None:
    usual = {"a": "self.next(self.b)", "b": "self.next(self.c)", "c": "self.next(self.d)", "d": "self.next(self.end)"}
    found = [line for line in told(tmp_path, steps(**{**usual, **bodies})) if "cannot be reached" not in line]

    assert found == []


@pytest.mark.parametrize(
    ("bodies", "expected"),
    [
        (
            {"start": CHOOSE_AB, "a": "self.next(self.c)", "b": "self.next(self.c)", "c_args": JOIN},
            ["9: step 'c' takes inputs, but no split is open before it; write `def c(self):`"],
        ),
        (
            {"start": "self.next(self.a, self.b)", "a": "self.next(self.c)", "b": "self.next(self.c)"},
            [
                "9: step 'c' comes after 'a' and 'b', of which more than one runs, but takes no inputs; "
                "write `def c(self, inputs):`"
            ],
        ),
        (
            {"start": "self.next(self.a, self.b)", "a": "self.next(self.end)", "b": "self.next(self.end)"},
            [
                "13: step 'end' comes after 'a' and 'b', of which more than one runs; "
                "write a step before it that joins them"
            ],
        ),
        (
            {"start": "self.next({1: self.a, 2: self.c}, condition='k')", "a": "self.next(self.b, self.c)"}
            | {"b": "self.next(self.d)", "d_args": JOIN},
            [
                "9: step 'c' comes after tasks of different splits: 'start' is in no split; "
                "'a' is in the split of 'a'; join those of each split in a step of their own first",
                "11: step 'd' joins tasks of different splits: 'b' is in the split of 'a'; 'c' is in no split; join",
            ],
        ),
        (
            {"start": "self.next(self.a, self.b)", "a": "self.next({1: self.c, 2: self.d}, condition='k')"}
            | {"b": "self.next(self.c)", "c_args": JOIN},
            [
                "9: step 'c' joins the split of 'start', but branch 'a' can pass it by",
                "11: step 'd' comes after tasks of different splits",
            ],
        ),
        (
            {"start": "self.next(self.a, self.c)", "a": "self.next(self.b)", "b": "self.next(self.c)", "c_args": JOIN},
            ["9: step 'c' joins the split of 'start' that leads straight to it; write a step for that branch between"],
        ),
        (
            {"start": "self.next(self.a)", "a": "self.next({1: self.a, 2: self.a}, condition='k')"},
            ["5: step 'a' can only repeat itself; lead one case of its condition to the step after it"],
        ),
        (
            {"start": "self.next(self.a)", "b": "self.next({1: self.a, 2: self.c}, condition='k')"},
            [
                "5: step 'a' is part of a loop, a -> b -> a; only a step alone can repeat itself, by a condition, "
                "so lead one of these elsewhere"
            ],
        ),
        (
            {"start": "self.next(self.a, foreach='xs')", "a": "self.next({1: self.b, 2: self.end}, condition='k')"}
            | {"b": "self.next(self.c)", "c_args": JOIN},
            ["13: step 'end' comes after tasks of different splits: 'a' is in the foreach over 'xs' of 'start'; "],
        ),
        (
            {"start": "self.next({1: self.a, 2: self.b}, condition='k')", "a": "self.next(self.c, foreach='x')"}
            | {"b": "self.next(self.c, foreach='y')", "d_args": JOIN},
            ["9: step 'c' comes after tasks of different splits: 'a' is in the foreach over 'x' of 'a'; 'b' is in the"],
        ),
    ],
)
def test_a_switch_that_is_not_whole_is_told(tmp_path: Path, bodies: dict[str, str], expected: list[str]) -> None:
    usual = {"a": "self.next(self.b)", "b": "self.next(self.c)", "c": "self.next(self.d)", "d": "self.next(self.end)"}
    found = [line for line in told(tmp_path, steps(**{**usual, **bodies})) if "cannot be reached" not in line]

    assert len(found) == len(expected), found
    assert all(line.startswith(text) for line, text in zip(found, expected, strict=True)), found


GANG = """
from metaflow_hera import parallel
class F(FlowSpec):
    @step
    def start(self):
        self.next(self.a, num_parallel=self.size)
    @parallel
    @step
    def a(self):
        self.next(self.j)
    @step
    def j(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", []),
        (
            "    @parallel\n",
            "",
            ["7: step 'a' is run by num_parallel of step 'start', but has no @parallel; write it above its @step"],
        ),
        (
            "num_parallel=self.size",
            "foreach='xs'",
            [
                "8: step 'a' has @parallel, but no step leads to it by num_parallel; "
                "write self.next(self.a, num_parallel=2), or remove it"
            ],
        ),
        ("@parallel\n", "@parallel\n    @catch\n", ["9: step 'a' has @catch and @parallel, but when one task fails"]),
        ("@parallel\n", "@parallel(2)\n", ["8: step 'a': @parallel takes no positional argument (2); it has none"]),
        (
            "self.next(self.j)",
            "self.next({1: self.j, 2: self.a}, condition='k')",
            ["9: step 'a' is run by num_parallel of step 'start', so it must go on to a join at once; write"],
        ),
        (
            "        self.next(self.j)",
            "        self.next(self.b)\n    @step\n    def b(self):\n        self.next(self.j)",
            ["9: step 'a' is run by num_parallel of step 'start', so it must go on to a join at once; write"],
        ),
        (
            "    @step\n    def start(self):",
            "    @catch\n    @step\n    def start(self):",
            ["5: step 'start' has @catch, but if it failed nobody would know how many tasks come next"],
        ),
    ],
)
def test_a_gang_is_a_parallel_step_and_a_join(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    found = told(tmp_path, GANG.replace(old, new, 1))

    assert len(found) == len(expected), found
    assert all(line.startswith(text) for line, text in zip(found, expected, strict=True)), found
