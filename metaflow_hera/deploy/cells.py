"""A flow of a notebook as a module of its own: its class, and what that uses of the other cells.

Of a cell only what the flow needs is taken, so that a cell may define a flow and run it, too. Names mean what they
mean now, as they do in the notebook.
"""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import NamedTuple

from metaflow_hera.errors import FlowError, Problem
from metaflow_hera.flow.source import source_of

LITERAL_LENGTH = 10_000
"""Up to so many characters, a value is written down as it is now; a longer one is made anew as its cell made it."""

_CELLS = "In"
"""The name of IPython's list of all cells that were run, the oldest first."""

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Statement(NamedTuple):
    """A statement of a cell that binds names."""

    text: str
    node: ast.stmt

    @property
    def source(self) -> str:
        if not isinstance(self.node, _Definition):
            return ast.get_source_segment(self.text, self.node) or ""
        first = min([self.node.lineno, *(each.lineno for each in self.node.decorator_list)])
        return "\n".join(self.text.splitlines()[first - 1 : self.node.end_lineno])


def module_text(flow_class: type) -> str:
    """The source of a module with the flow in it; `FlowError` for what no source can be found for."""
    text = source_of(flow_class).text
    namespace = vars(sys.modules[flow_class.__module__])
    cells = namespace.get(_CELLS, ())
    found: dict[str, Statement] = {}
    for cell in (*(cells if isinstance(cells, list) else ()), text):
        found |= _statements(cell)
    # Another cell may have defined a flow of that name since, or this one's cell have been run twice.
    found |= {name: each for name, each in _statements(text).items() if name == flow_class.__name__}
    module = _Module(flow_class.__name__, namespace, found)
    module.add(flow_class.__name__)
    if module.problems:
        raise FlowError(module.problems)
    future = ["from __future__ import annotations"] if _postpones_annotations(text) else []
    return "\n\n".join((*future, *module.parts)) + "\n"


class _Module:
    """A module as it grows: each name after those that its definition needs."""

    def __init__(self, flow: str, namespace: Mapping[str, object], statements: Mapping[str, Statement]) -> None:
        self.parts: list[str] = []
        self.problems: list[Problem] = []
        self._flow = flow
        self._namespace = namespace
        self._statements = statements
        self._done: set[str] = set()

    def add(self, name: str) -> None:
        if name in self._done:
            return
        self._done.add(name)
        statement = self._statements.get(name)
        if statement is not None and isinstance(statement.node, ast.Import | ast.ImportFrom):
            self.parts.append(_import_of(statement.node, name))
        elif statement is not None and not (self._is_assigned(statement) and self._add_literal(name)):
            self._add_statement(statement)
        elif statement is None and name in self._namespace and not name.startswith("__"):
            self._add_value(name, self._namespace[name])

    def _is_assigned(self, statement: Statement) -> bool:
        return not isinstance(statement.node, _Definition)

    def _add_statement(self, statement: Statement) -> None:
        source = statement.source
        self._done.update(_bound(statement.node))
        for name in _globals_of(source):
            self.add(name)
        if source not in self.parts:
            self.parts.append(source)

    def _add_literal(self, name: str) -> bool:
        """Write a value as it is now, if it is plain and short."""
        value = self._namespace.get(name)
        text = repr(value)
        if len(text) > LITERAL_LENGTH or not _is_literal(value, text):
            return False
        self.parts.append(f"{name} = {text}")
        return True

    def _add_value(self, name: str, value: object) -> None:
        """What no statement of a cell has bound: a magic command has, or a cell that is not known."""
        if isinstance(value, ModuleType):
            self.parts.append(f"import {value.__name__} as {name}")
        elif (origin := _importable(value)) is not None:
            self.parts.append(f"from {origin[0]} import {origin[1]} as {name}")
        elif not (hasattr(builtins, name) or self._add_literal(name)):
            text = (
                f"flow {self._flow} uses {name!r} of the notebook, a {type(value).__name__} that no cell defines by a "
                "statement of its own; define it in the flow's cell, or make it a Parameter"
            )
            self.problems.append(Problem(text))


def _statements(text: str) -> dict[str, Statement]:
    """The statements of a cell by the names that they bind, the last of each."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}  # it did not run, so it has bound nothing
    return {name: Statement(text, node) for node in tree.body for name in _bound(node)}


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module binds; none for one that does more than that, such as a loop."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Import() | ast.ImportFrom():
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        case ast.Assign(targets=targets):
            yield from (name for target in targets for name in _targets(target))
        case ast.AnnAssign(target=target, value=value) if value is not None:
            yield from _targets(target)
        case ast.If(body=body, orelse=orelse):
            yield from (name for each in (*body, *orelse) for name in _bound(each))
        case ast.Try(body=body, handlers=handlers):
            each_handler = (each for handler in handlers for each in handler.body)
            yield from (name for each in (*body, *each_handler) for name in _bound(each))


def _targets(target: ast.expr) -> Iterator[str]:
    match target:
        case ast.Name(id=name):
            yield name
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            yield from (name for part in parts for name in _targets(part))


def _import_of(node: ast.Import | ast.ImportFrom, name: str) -> str:
    """The part of an import that binds one name."""
    aliases = [alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) == name]
    if isinstance(node, ast.Import):
        return ast.unparse(ast.Import(aliases))
    return ast.unparse(ast.ImportFrom(node.module, aliases, node.level))


def _globals_of(source: str) -> list[str]:
    """The names that a statement needs from its module, in the order of its scopes."""
    found: dict[str, None] = {}
    tables: Sequence[symtable.SymbolTable] = [symtable.symtable(source, "<cell>", "exec")]
    while tables:
        for table in tables:
            is_module = table.get_type() == "module"
            for symbol in table.get_symbols():
                if symbol.is_referenced() and (is_module or symbol.is_global()):
                    found[symbol.get_name()] = None
        tables = [child for table in tables for child in table.get_children()]
    return list(found)


def _is_literal(value: object, text: str) -> bool:
    try:
        read = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return type(read) is type(value) and bool(read == value)


def _importable(value: object) -> tuple[str, str] | None:
    """Module and name of a function or a class that a module has under its own name."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return None
    return (module, name) if getattr(sys.modules.get(module), name, None) is value else None


def _postpones_annotations(text: str) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in ast.parse(text).body)
