"""What the source of a step says: how it is left, whether it is a join, and what about it is no step at all."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import NamedTuple

from metaflow_hera.graph.model import End, Foreach, Linear, Split, Switch, Transition, Unclear

TextOf = Callable[[str, FunctionType], str]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSyntax:
    """A step as far as its function and its source tell; problems are ends of a sentence that begins with the step."""

    transition: Transition
    is_join: bool
    file: str
    line: int
    next_line: int | None = None
    problems: tuple[str, ...] = ()


def read_steps(functions: Mapping[str, FunctionType], text_of: TextOf) -> dict[str, StepSyntax]:
    """The syntax of each function; every file is read once."""
    trees: dict[str, ast.Module | None] = {}
    found = {}
    for name, function in functions.items():
        file = function.__code__.co_filename
        if file not in trees:
            trees[file] = _tree(text_of(file, function))
        found[name] = _read(name, function, trees[file], is_alone=len(functions) == 1)
    return found


def decorator_line(text: str, class_name: str, name: str, number: int) -> int | None:
    """Where the *number*-th decorator of that name stands on a class, from 0; without one to be found, the class."""
    body: list[ast.stmt] = getattr(_tree(text), "body", [])
    found: ast.ClassDef | None = None
    for part in class_name.split("."):
        found = next((node for node in body if isinstance(node, ast.ClassDef) and node.name == part), None)
        body = found.body if found else []
    if found is None:
        return None
    called = [node.func if isinstance(node, ast.Call) else node for node in found.decorator_list]
    lines = [node.lineno for node in called if name in (getattr(node, "id", ""), getattr(node, "attr", ""))]
    return lines[number] if number < len(lines) else found.lineno


def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(text) if text.strip() else None
    except (SyntaxError, ValueError, RecursionError):  # what is there now is not what was imported
        return None


def _read(name: str, function: FunctionType, tree: ast.Module | None, *, is_alone: bool) -> StepSyntax:
    code = function.__code__
    node = None if tree is None else _node(tree, code.co_name, code.co_firstlineno)
    problems = [*_form(name, function)]
    transition: Transition
    next_line: int | None
    if node is None and is_alone:
        transition, next_line = End(), None  # of a class in a shell; a step alone leads nowhere, whatever it says
    elif node is None:
        found = "cannot be found" if tree is None else "is not there any more"
        problems.append(f"has source that {found} in {code.co_filename}; save the flow in a file, and load it again")
        transition, next_line = Unclear(""), None
    else:
        transition, next_line = _leaving(node)
    return StepSyntax(
        transition=transition,
        is_join=code.co_argcount == 2,
        file=code.co_filename,
        line=code.co_firstlineno if node is None else node.lineno,
        next_line=next_line,
        problems=tuple(problems),
    )


def _node(tree: ast.Module, name: str, first_line: int) -> FunctionNode | None:
    for node in ast.walk(tree):
        if isinstance(node, FunctionNode) and node.name == name:
            lines = [node.lineno, *(decorator.lineno for decorator in node.decorator_list)]
            if min(lines) == first_line:
                return node
    return None


def _form(name: str, function: FunctionType) -> Iterator[str]:
    """What is wrong with the function itself."""
    code = function.__code__
    if code.co_flags & (_COROUTINE | _ASYNC_GENERATOR):
        yield "is an async function, which cannot be a step; call asyncio.run() in an ordinary one"
    elif code.co_flags & _GENERATOR:
        yield "has a yield, so that it would never run; remove it, or move it into a function of its own"
    if code.co_argcount == 0 and not code.co_flags & 0x04:
        yield "lacks the argument self; write `def " + name + "(self):`"
    elif code.co_argcount > 2 or code.co_kwonlyargcount or code.co_flags & 0x0C:
        yield "takes other arguments than self, or self and inputs for a join; use artifacts and parameters instead"
    if name.startswith("__") or (function.__name__ != name and function.__name__.startswith("__")):
        yield "has a name with two underscores at its beginning, which Python changes in classes; rename it"


def _leaving(node: FunctionNode) -> tuple[Transition, int | None]:
    """How the step is left, and the line that says so."""
    flow = (node.args.posonlyargs + node.args.args)[:1]
    if not flow:
        return Unclear(""), None
    calls = sorted(_next_calls(node, flow[0].arg), key=lambda call: call.lineno)
    if not calls:
        return End(), None
    last = node.body[-1]
    if len(calls) > 1:
        lines = ", ".join(str(call.lineno) for call in calls)
        return Unclear(f"calls self.next() more than once, on lines {lines}; write it once, as the last statement"), (
            calls[0].lineno
        )
    if not (isinstance(last, ast.Expr) and last.value is calls[0]):
        what = "has self.next() before its end or inside of another statement"
        return Unclear(f"{what}; write it as the last statement, always reached"), calls[0].lineno
    if any(isinstance(statement, ast.Return) for statement in node.body):
        return Unclear("has a return before self.next(), which is never reached then; remove it"), calls[0].lineno
    return _transition(calls[0], flow[0].arg), calls[0].lineno


def _next_calls(node: ast.AST, flow: str) -> Iterator[ast.Call]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and _attribute(inner.func, flow) == "next":
            yield inner


def _attribute(node: ast.expr, flow: str) -> str | None:
    """``a`` of ``self.a``."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == flow:
        return node.attr
    return None


def _transition(call: ast.Call, flow: str) -> Transition:
    keywords = {keyword.arg or "**": keyword.value for keyword in call.keywords}
    if unknown := keywords.keys() - {"foreach", "condition", "num_parallel"}:
        names = ", ".join(sorted(unknown))
        return Unclear(
            f"gives self.next() {names}, which it does not take; it takes foreach=, condition= or num_parallel="
        )
    if any(isinstance(argument, ast.Dict) for argument in call.args) or "condition" in keywords:
        return _switch(call, keywords, flow)
    targets = []
    for argument in call.args:
        target = _attribute(argument, flow)
        if target is None:
            return Unclear(
                f"gives self.next() {_shown(argument)}, which is not written as a step; write steps as self.a"
            )
        targets.append(target)
    if len(keywords) > 1:
        return Unclear("gives self.next() both foreach and num_parallel; it takes one of them")
    if "foreach" in keywords:
        return _foreach(targets, keywords["foreach"])
    return _gang(targets) if keywords else _plain(targets)


def _plain(targets: list[str]) -> Transition:
    if not targets:
        return Unclear("calls self.next() without a step; write for example self.next(self.end)")
    twice = next((target for target in targets if targets.count(target) > 1), None)
    if twice is not None:
        return Unclear(f"names {twice!r} twice in self.next(); name each branch once, or use foreach")
    return Linear(targets[0]) if len(targets) == 1 else Split(tuple(targets))


def _gang(targets: list[str]) -> Transition:
    if len(targets) != 1:
        return Unclear(f"has a num_parallel with {len(targets)} steps; it goes to exactly one")
    return Foreach(targets[0], "", gang=True)


def _foreach(targets: list[str], over: ast.expr) -> Transition:
    if len(targets) != 1:
        return Unclear(f"has a foreach with {len(targets)} steps; a foreach goes to exactly one")
    name = _name_in_quotes(over)
    if name is None:
        return Unclear(
            f"has a foreach over {_shown(over)}; write the name of an artifact in quotes, as foreach='items'"
        )
    return Foreach(targets[0], name)


def _name_in_quotes(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
        return node.value
    return None


def _switch(call: ast.Call, keywords: Mapping[str, ast.expr], flow: str) -> Transition:
    if len(call.args) != 1 or not isinstance(call.args[0], ast.Dict) or keywords.keys() != {"condition"}:
        return Unclear(
            "has a switch that is not written as self.next({'x': self.a, 'y': self.b}, condition='artifact')"
        )
    condition = _name_in_quotes(keywords["condition"])
    if condition is None:
        return Unclear(f"has the condition {_shown(keywords['condition'])}; write the name of an artifact in quotes")
    cases, values = [], []
    for key, value in zip(call.args[0].keys, call.args[0].values, strict=True):
        case, target = _case(key, flow), _attribute(value, flow)
        if key is None or case is None:
            return Unclear(
                f"has the case {'**' if key is None else _shown(key)}; write each case as a text, a number, a bool, or "
                f"a value of a config as {flow}.config.key"
            )
        if target is None:
            return Unclear(f"goes to {_shown(value)}, which is not written as a step; write steps as self.a")
        if case.value in values:
            return Unclear(f"has the case {case.text} twice, as Python compares; make the cases different")
        values.append(case.value)
        cases.append((case.text, target))
    if len(cases) < 2:
        return Unclear("has a switch without two different cases; write one for each value of its condition")
    return Switch(tuple(cases), condition)


class _Case(NamedTuple):
    """A key of a switch: as it is shown, and what is compared."""

    text: str
    value: object


def _case(key: ast.expr | None, flow: str) -> _Case | None:
    """A case whose value is known, or one that is the value of a config, known when the flow runs."""
    if isinstance(key, ast.Attribute):
        return _Case(_text(key), ("config", _text(key))) if _is_of_config(key, flow) else None
    number = key.operand if isinstance(key, ast.UnaryOp) and isinstance(key.op, ast.USub) else key
    if not isinstance(number, ast.Constant):
        return None
    match number.value:
        case str() | bytes() if key is number:
            return _Case(repr(number.value), number.value)
        case int() | float() | complex():
            return _Case(_text(number), number.value) if key is number else _Case(f"-{_text(number)}", -number.value)
        case _:
            return None


def _is_of_config(key: ast.Attribute, flow: str) -> bool:
    """``self.config.key``, or deeper."""
    inner = key.value
    while isinstance(inner, ast.Attribute) and _attribute(inner, flow) is None:
        inner = inner.value
    return isinstance(inner, ast.Attribute)


def _shown(node: ast.expr) -> str:
    text = _text(node)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _text(node: ast.expr) -> str:
    try:
        return ast.unparse(node)
    except (ValueError, RecursionError):  # a number of more digits than Python writes, or what nests too deep for it
        return "…"
