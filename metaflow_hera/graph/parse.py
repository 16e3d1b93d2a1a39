"""From a flow class to its graph, by the syntax tree of each step; nothing of the user's code is called.

Every mistake becomes part of the graph, so that `graph.check` tells all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import FunctionType

from metaflow_hera.errors import Problem
from metaflow_hera.flow.constants import constants_of
from metaflow_hera.flow.decorators import FLOW_DECORATORS, flow_decorators, problems_of
from metaflow_hera.flow.parameter_rules import problems_of_parameters
from metaflow_hera.flow.parameters import given_of
from metaflow_hera.flow.source import file_of, text_of
from metaflow_hera.flow.spec import RESERVED
from metaflow_hera.flow.steps import BELOW, original, steps_of, unmarked_methods
from metaflow_hera.flow.written import flow_written, written_on
from metaflow_hera.graph.model import DecoratorSpec, Graph, Step
from metaflow_hera.graph.syntax import StepSyntax, decorator_line, read_steps


def parse(flow_class: type) -> Graph:
    """The graph of a flow class."""
    methods = steps_of(flow_class)
    syntax = read_steps({name: original(method) for name, method in methods.items()}, text_of)
    return Graph(
        flow=flow_class.__name__,
        steps={name: _step(name, method, syntax[name]) for name, method in methods.items()},
        start=_named(methods, "start", "is_start"),
        end=_named(methods, "end", "is_end"),
        decorators=(*(decorator.spec for decorator in flow_decorators(flow_class)), *_mutators(flow_class)),
        doc=_doc(flow_class),
        file=file_of(flow_class),
        defects=tuple(_defects(flow_class, methods, syntax)),
    )


def _mutators(flow_class: type) -> Iterator[DecoratorSpec]:
    """Those of the flow itself, its own before those of its bases."""
    return (spec for _, specs in flow_written(flow_class) for spec in specs if spec.kind is not None)


def _step(name: str, method: FunctionType, syntax: StepSyntax) -> Step:
    return Step(
        name=name,
        transition=syntax.transition,
        is_join=syntax.is_join,
        decorators=written_on(method),
        doc=_doc(method),
        file=syntax.file,
        line=syntax.line,
        next_line=syntax.next_line,
    )


def _named(methods: Mapping[str, FunctionType], usual: str, mark: str) -> str:
    """The step that carries the mark, or the usual name."""
    return next((name for name, method in methods.items() if vars(method)[mark]), usual)


def _doc(thing: object) -> str:
    text = thing.__doc__ or ""
    lines = text.expandtabs().strip().splitlines()
    indents = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    margin = min(indents, default=0)
    return "\n".join([*lines[:1], *(line[margin:].rstrip() for line in lines[1:])])


def _defects(
    flow_class: type, methods: Mapping[str, FunctionType], syntax: Mapping[str, StepSyntax]
) -> Iterator[Problem]:
    file = file_of(flow_class)
    yield from (Problem(f"flow {flow_class.__name__}: {text}", file) for text in _flow_defects(flow_class))
    yield from _decorator_defects(flow_class)
    yield from (
        Problem(f"flow {flow_class.__name__}: {text}", file)
        for text in (*_roles(methods, "start", "is_start"), *_roles(methods, "end", "is_end"))
    )
    for name, read in syntax.items():
        texts = [*read.problems, *_placing(methods[name]), *_catching(flow_class, methods[name])]
        yield from (Problem(f"step {name!r} {text}", read.file, read.line) for text in texts)
    if any(spec.kind is not None for _, spec in _all_written(flow_class, methods)):
        yield from _own_defects(flow_class, methods, syntax)
    for name, method in unmarked_methods(flow_class):
        code = original(method).__code__
        shown = ", ".join(f"@{spec.name}" for spec in written_on(method))
        text = f"method {name!r} has {shown}, but is no step; write @step right above its def"
        yield Problem(text, code.co_filename, code.co_firstlineno)


def _all_written(flow_class: type, methods: Mapping[str, FunctionType]) -> Iterator[tuple[str | None, DecoratorSpec]]:
    """Every decorator of the flow, with the name of its step."""
    yield from ((None, spec) for _, specs in flow_written(flow_class) for spec in specs)
    yield from ((name, spec) for name, method in methods.items() for spec in written_on(method))


def _own_defects(
    flow_class: type, methods: Mapping[str, FunctionType], syntax: Mapping[str, StepSyntax]
) -> Iterator[Problem]:
    """What is wrong with decorators and mutators that the user wrote."""
    from metaflow_hera.flow.user_rules import problems_of_definition, problems_of_use  # few flows have any

    written = [(name, spec) for name, spec in _all_written(flow_class, methods) if spec.kind is not None]
    for kind in dict.fromkeys(spec.kind for _, spec in written):
        yield from problems_of_definition(kind)
    for name, spec in written:
        if name is not None:
            texts = problems_of_use(spec, on_step=True)
            yield from (Problem(f"step {name!r}: {text}", syntax[name].file, syntax[name].line) for text in texts)


def _flow_defects(flow_class: type) -> Iterator[str]:
    yield from problems_of_parameters(flow_class)
    for attribute in (*given_of(flow_class), *constants_of(flow_class)):
        if attribute in RESERVED:
            yield f"{attribute!r} is a name that every flow has already; rename the parameter or constant"
    initialiser = next(vars(base)["__init__"] for base in flow_class.__mro__ if "__init__" in vars(base))
    if isinstance(initialiser, FunctionType) and not _takes(initialiser, "use_cli"):
        yield "its __init__ does not take use_cli; remove it, and set artifacts in the first step"


def _decorator_defects(flow_class: type) -> Iterator[Problem]:
    """What is wrong with the decorators of the flow itself, each at its line."""
    for base, written in flow_written(flow_class):
        names = [spec.name for spec in written]
        for number, spec in enumerate(written):
            before = names[:number].count(spec.name)
            for text in _flow_decorator_defects(flow_class, base, spec, before):
                yield problem_of_decorator(flow_class, base, spec.name, text, before)


def problem_of_decorator(flow_class: type, base: type, name: str, text: str, before: int = 0) -> Problem:
    """What is wrong with a decorator on *base*, at its line; *before* of the same name stand above it."""
    file = file_of(base)
    line = decorator_line(text_of(file), base.__qualname__, name, before) if file else None
    return Problem(f"flow {flow_class.__name__}: {text}", file, line)


def _flow_decorator_defects(flow_class: type, base: type, spec: DecoratorSpec, before: int) -> Iterator[str]:
    if spec.kind is not None:
        from metaflow_hera.flow.user_rules import problems_of_use  # few flows have any

        yield from problems_of_use(spec, on_step=False)
        return
    if spec.name not in FLOW_DECORATORS:
        yield f"@{spec.name} is for steps; write it above the @step of each, or use --with {spec.name}"
        return
    yield from problems_of(spec, FLOW_DECORATORS, flow_class)
    if before == 1 and not FLOW_DECORATORS[spec.name].repeats:
        yield f"@{spec.name} is on {base.__name__} more than once"


def _takes(function: FunctionType, argument: str) -> bool:
    code = function.__code__
    return argument in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] or bool(code.co_flags & 0x08)


def _roles(methods: Mapping[str, FunctionType], usual: str, mark: str) -> Iterator[str]:
    marked = [name for name, method in methods.items() if vars(method)[mark]]
    if len(marked) > 1:
        yield f"{', '.join(marked)} all have @step({usual}=True); only one step can be the {usual}"
    elif marked and usual in methods and marked != [usual]:
        yield f"{marked[0]!r} has @step({usual}=True), but there is a step {usual!r}; rename that, or remove the mark"


def _catching(flow_class: type, method: FunctionType) -> Iterator[str]:
    """What @catch names that cannot be an artifact."""
    for spec in written_on(method):
        variable = spec.attributes.get("var")
        if spec.name == "catch" and isinstance(variable, str) and hasattr(flow_class, variable):
            yield f"has @catch(var={variable!r}), but {variable!r} is something else of the flow; rename one"


def _placing(method: FunctionType) -> Iterator[str]:
    """Decorators at a wrong place."""
    for name in vars(method).get(BELOW, ()):
        yield f"has @{name} below @step; write @step right above the def, and all other decorators above it"
    for spec in written_on(method):
        if spec.name in FLOW_DECORATORS:
            yield f"has @{spec.name}, which is for flows; write it above the class"
