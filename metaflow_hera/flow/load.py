"""From a file to the flow class in it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import decode_source, module_from_spec, spec_from_loader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType

from metaflow_hera.errors import FlowError, Problem, UsageError
from metaflow_hera.flow.spec import FlowSpec

_SOURCE = "_mfhera_source"
"""The attribute of a module that was loaded here, with the text that it was loaded from."""


def load_flow(target: str | Path, name: str | None = None) -> type[FlowSpec]:
    """The flow class of ``file.py`` or ``file.py:Name``.

    Its module is called like the file, so that what it defines can be pickled here and read elsewhere; the file's
    folder comes first where modules are looked for.
    """
    file, named = _split(target)
    text, code = _read(file)
    module = _module(file.resolve(), text, code)
    return _chosen(module, text, file, name or named)


def load_file(file: str | Path) -> ModuleType:
    """The module of a file, by the same rules."""
    text, code = _read(Path(file))
    return _module(Path(file).resolve(), text, code)


def _split(target: str | Path) -> tuple[Path, str | None]:
    head, colon, tail = str(target).rpartition(":")
    if colon and tail.isidentifier() and not Path(target).exists():
        return Path(head), tail
    return Path(target), None


def _read(file: Path) -> tuple[str, CodeType]:
    if file.is_dir():
        raise UsageError(f"{file} is a folder; give the file of the flow")
    if file.suffix == ".ipynb":
        raise UsageError(
            f"{file} is a notebook; save the flow as a .py file, or run it in a cell by metaflow_hera.run()"
        )
    if file.suffix not in (".py", "") and file.is_file():
        raise UsageError(f"{file} is no Python file; give the file of the flow, whose name ends with .py")
    try:
        text = decode_source(file.read_bytes())
        return text, compile(text, str(file.resolve()), "exec", dont_inherit=True)
    except FileNotFoundError as error:
        raise UsageError(f"{file}: there is no such file") from error
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    except SyntaxError as error:
        raise FlowError([Problem(f"this is not Python: {error.msg}", str(file), error.lineno)]) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is no Python source: {error}") from error


def _module(file: Path, text: str, code: CodeType) -> ModuleType:
    """The module of that text, loaded now unless it is loaded already."""
    # A flow in random.py must not become the `random` of everyone else in this process.
    name = f"{file.stem}_flow" if file.stem in sys.stdlib_module_names else file.stem
    before = sys.modules.get(name)
    if before is not None:
        is_same = _file_of(before) == file
        if is_same and getattr(before, _SOURCE, text) == text:
            return before
        if not is_same and not hasattr(before, _SOURCE):
            raise UsageError(f"{file.name} has the name of the module {name!r}, which is in use; rename the file")
    spec = spec_from_loader(name, SourceFileLoader(name, str(file)))
    assert spec is not None
    module = module_from_spec(spec)
    setattr(module, _SOURCE, text)
    _execute(module, code, file, before)
    return module


def _execute(module: ModuleType, code: CodeType, file: Path, before: ModuleType | None) -> None:
    folder = str(file.parent)
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    sys.modules[module.__name__] = module
    try:
        exec(code, vars(module))  # noqa: S102  (the user's own file)
    except (Exception, SystemExit) as error:  # which may raise anything
        if before is None:
            del sys.modules[module.__name__]
        else:
            sys.modules[module.__name__] = before
        raise FlowError([_failure(error, file)]) from error


def _failure(error: BaseException, file: Path) -> Problem:
    *_, line = (None, *_lines(error.__traceback__, str(file)))
    if isinstance(error, SystemExit):
        return Problem(
            "the file ends the process while it is imported; move that below if __name__ == '__main__':",
            str(file),
            line,
        )
    return Problem(f"the file cannot be imported: {type(error).__name__}: {error}", str(file), line)


def _lines(trace: TracebackType | None, file: str) -> Iterator[int]:
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            yield trace.tb_lineno
        trace = trace.tb_next


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file else None


def _chosen(module: ModuleType, text: str, file: Path, name: str | None) -> type[FlowSpec]:
    flows = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, FlowSpec) and value is not FlowSpec
    }
    if name is not None:
        if name in flows:
            return flows[name]
        known = f"its flows are {', '.join(flows)}" if flows else "it has none"
        raise UsageError(f"{file} has no flow {name!r}; {known}")
    candidates = _candidates(module, text, flows)
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise UsageError(f"{file} has no flow; derive a class from FlowSpec in it")
    names = ", ".join(flow.__name__ for flow in candidates)
    raise UsageError(f"{file} has several flows, {names}; choose one as {file}:{candidates[0].__name__}")


def _candidates(module: ModuleType, text: str, flows: dict[str, type[FlowSpec]]) -> list[type[FlowSpec]]:
    """The flows that can be meant: those that the file calls, else its own, else imported ones; no base of another."""
    called = _called(text)
    if mentioned := [flow for key, flow in flows.items() if key in called]:
        return list(dict.fromkeys(mentioned))
    own = [flow for flow in flows.values() if flow.__module__ == module.__name__]
    found = list(dict.fromkeys(own or flows.values()))
    return [flow for flow in found if not any(other is not flow and issubclass(other, flow) for other in found)]


def _called(text: str) -> set[str]:
    """The names that are called as statements of the file itself, as ``ParameterFlow()`` is."""
    statements = [
        inner
        for node in ast.parse(text).body
        for inner in ((*node.body, node) if isinstance(node, ast.If) else (node,))
    ]
    return {
        statement.value.func.id
        for statement in statements
        if isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Name)
    }
