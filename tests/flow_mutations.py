"""Flow files with something wrong: real and generated sources with changed tokens or a changed syntax tree."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

from graph_strategies import flow_source, graphs
from hypothesis import strategies as st

TESTS = Path(__file__).parent
UNSAFE = (
    *("import os", "import signal", "import subprocess", "import time", "sleep", "numpy", "inherited_base"),
    *("open(", "__file__", "Config", "Mutator", "UserStepDecorator", "secrets", "@project"),
)
"""What a changed flow should not do in the tests' own process, or does only when it is launched."""


def _is_safe(file: Path) -> bool:
    text = file.read_text(encoding="utf-8")
    return not any(word in text for word in UNSAFE)


REAL = tuple(
    filter(
        _is_safe,
        [*sorted((TESTS / "flows").glob("*_flow.py")), TESTS.parent / "examples" / "seed" / "parameter_flow.py"],
    )
)

HUGE = "a_number_that_python_does_not_write"

EXPRESSIONS = (
    *("self.start", "self.end", "self", "'end'", "end", "None", "self.end()", "*[self.end]", "self.x.end", "lambda: 0"),
    *("{}", "{'x': self.end}", "{'x': self.end, 'y': self.start}", "{1: self.end, True: self.end}", "{x: self.end}"),
    *("{None: self.end, **y}", "{self.x.y: self.end, 'z': self.end}", "(z := self.end)", "self.end if z else self.end"),
    *("'items'", "'x'", "f'x'", "self.items", "2", "0", "-1", "1.5", "[]", "'not a name'", "b'x'", "self['end']"),
    *("getattr(self, 'end')", "self.nowhere", "not self.end", "self.next", "self.next(self.end)", HUGE),
)
"""What a call of ``self.next`` may be given."""

STATEMENTS = (
    *("self.next(self.end)", "return", "pass", "yield 1", "return self.next(self.end)", "x = self.next(self.end)"),
    *("if self: self.next(self.end)", "for _ in 'x': self.next(self.end)", "self.next = 5", "self = None", "del self"),
    *(
        "def inner(): self.next(self.end)",
        "class Inner: next = self.next",
        "self.next",
        "next(self.end)",
        "raise OSError",
    ),
    *("try: self.next(self.end)\nfinally: pass", "with self: self.next(self.end)", "import math", "global self_"),
    *("self.end = 1", "self.next(self.end); self.next(self.end)", "async def inner(): await self.next(self.end)"),
    *("[self.next(step) for step in [self.end]]", "super().next(self.end)", "FlowSpec.next(self, self.end)"),
    *("assert self.next(self.end) is None", "self.next(self.end).x", "other = self; other.next(other.end)"),
)
DECORATORS = (
    *("step", "step()", "step(start=True)", "step(end=True)", "parallel", "catch", "retry(times=0)", "staticmethod"),
    *("property", "classmethod", "timeout(seconds=0)", "retry(nonsense=1)", "functools.cache", "unknown", "step(1)"),
)
ARGUMENTS = (
    "",
    "self",
    "self, inputs",
    "self, inputs, more",
    "*self",
    "self, *rest",
    "self, /",
    "this",
    "inputs, self",
)
ARGUMENTS += ("self, *, key", "self, inputs=None", "self, **rest", "_", "self, self_: int = 0")
HEADER = "import functools\nfrom metaflow_hera import FlowSpec, catch, parallel, retry, step, timeout\n"


def sources() -> st.SearchStrategy[str]:
    """A flow file with one to three changes."""
    right = st.sampled_from(REAL).map(Path.read_text) | graphs(max_leaves=4, decorated=False).map(flow_source)
    return right.flatmap(lambda text: changed_trees(text) | changed_trees(text) | changed_tokens(text))


@st.composite
def changed_tokens(draw: st.DrawFn, text: str) -> str:
    """Tokens left out, written twice, exchanged with the next, or replaced by others of the file."""
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline)]
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(tokens) - 3))
        match draw(st.sampled_from(["out", "twice", "exchange", "replace"])):
            case "out":
                del tokens[place]
            case "twice":
                tokens.insert(place, tokens[place])
            case "exchange":
                tokens[place], tokens[place + 1] = tokens[place + 1], tokens[place]
            case _:
                tokens[place] = draw(st.sampled_from(tokens))
    try:
        return tokenize.untokenize((token.type, token.string) for token in tokens)
    except (ValueError, IndexError):  # an indent that ends before it begins
        return " ".join(token.string for token in tokens)


@st.composite
def changed_trees(draw: st.DrawFn, text: str) -> str:
    """Steps with other calls of ``self.next``, statements, arguments, decorators or names."""
    tree = deepcopy(ast.parse(text))
    for _ in range(draw(st.integers(1, 3))):
        flow = next(node for node in tree.body if isinstance(node, ast.ClassDef))
        steps = [node for node in flow.body if isinstance(node, ast.FunctionDef)]
        if steps:
            change: Callable[[st.DrawFn, ast.ClassDef, ast.FunctionDef], None] = draw(st.sampled_from(CHANGES))
            change(draw, flow, draw(st.sampled_from(steps)))
    return HEADER + ast.unparse(ast.fix_missing_locations(tree)).replace(HUGE, "0x" + "f" * 5000)


def _calls(step: ast.FunctionDef) -> list[ast.Call]:
    calls = [node for node in ast.walk(step) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "next"]


def _call_differently(draw: st.DrawFn, flow: ast.ClassDef, step: ast.FunctionDef) -> None:
    if not (calls := _calls(step)):
        return
    call = draw(st.sampled_from(calls))
    names = [f"self.{node.name}" for node in flow.body if isinstance(node, ast.FunctionDef)]
    expression = draw(st.sampled_from([*EXPRESSIONS, *names * 3]))
    value = ast.parse(f"f({expression})", mode="eval").body
    assert isinstance(value, ast.Call)
    change = draw(st.sampled_from(["replace", "add", "remove", "keyword", "keyword out", "case"]))
    if change.startswith("keyword"):
        name = draw(st.sampled_from(["foreach", "condition", "num_parallel", "for_each", None]))
        call.keywords = [keyword for keyword in call.keywords if keyword.arg != name]
        call.keywords += [ast.keyword(arg=name, value=value.args[0])] if change == "keyword" else []
    elif change == "case" and call.args and isinstance(call.args[0], ast.Dict):
        call.args[0].values[-1:] = value.args[: len(call.args[0].values)]
    else:
        call.args[len(call.args) - (change != "add") :] = [] if change == "remove" else value.args


def _write_a_statement(draw: st.DrawFn, flow: ast.ClassDef, step: ast.FunctionDef) -> None:
    written = ast.parse(draw(st.sampled_from(STATEMENTS))).body
    place = draw(st.integers(0, len(step.body)))
    step.body[place:place] = written


def _leave_a_statement_out(draw: st.DrawFn, flow: ast.ClassDef, step: ast.FunctionDef) -> None:
    step.body.pop(draw(st.integers(0, len(step.body) - 1)))
    step.body = step.body or [ast.Pass()]


def _take_other_arguments(draw: st.DrawFn, flow: ast.ClassDef, step: ast.FunctionDef) -> None:
    other = ast.parse(f"def f({draw(st.sampled_from(ARGUMENTS))}): pass").body[0]
    assert isinstance(other, ast.FunctionDef)
    step.args = other.args


def _decorate_differently(draw: st.DrawFn, flow: ast.ClassDef, step: ast.FunctionDef) -> None:
    if step.decorator_list and draw(st.booleans()):
        step.decorator_list.pop(draw(st.integers(0, len(step.decorator_list) - 1)))
    else:
        written = ast.parse(draw(st.sampled_from(DECORATORS)), mode="eval").body
        step.decorator_list.insert(draw(st.integers(0, len(step.decorator_list))), written)


def _rename(draw: st.DrawFn, flow: ast.ClassDef, step: ast.FunctionDef) -> None:
    others = [node.name for node in flow.body if isinstance(node, ast.FunctionDef)]
    step.name = draw(st.sampled_from([*others, "start", "end", "next", "input", "__hidden", "_parameters", "name"]))


def _leave_a_step_out(draw: st.DrawFn, flow: ast.ClassDef, step: ast.FunctionDef) -> None:
    flow.body.remove(step)
    flow.body = flow.body or [ast.Pass()]


def _write_a_step_twice(draw: st.DrawFn, flow: ast.ClassDef, step: ast.FunctionDef) -> None:
    flow.body.append(deepcopy(step))


def _make_it_async(draw: st.DrawFn, flow: ast.ClassDef, step: ast.FunctionDef) -> None:
    other = ast.AsyncFunctionDef(
        name=step.name, args=step.args, body=step.body, decorator_list=step.decorator_list, returns=None
    )
    flow.body[flow.body.index(step)] = other


CHANGES = [
    *[_call_differently] * 6,
    *[_write_a_statement] * 2,
    *[_decorate_differently] * 2,
    _leave_a_statement_out,
    _take_other_arguments,
    _rename,
    _leave_a_step_out,
    _write_a_step_twice,
    _make_it_async,
]
