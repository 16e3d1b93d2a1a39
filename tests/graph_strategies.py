"""Random flows that pass the check, as graphs and as source; for property tests of every room."""

from __future__ import annotations

import keyword
import unicodedata
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from metaflow_hera.flow.spec import RESERVED
from metaflow_hera.graph.model import DecoratorSpec, End, Foreach, Graph, Linear, Split, Step, Transition


@dataclass(frozen=True)
class Plain:
    """One step."""


@dataclass(frozen=True)
class Branches:
    """A static split, its branches and its join."""

    branches: tuple[Block, ...]


@dataclass(frozen=True)
class Each:
    """A foreach, its body and its join."""

    body: Block


Block = tuple["Plain | Branches | Each", ...]
"""Parts one after another, at least one."""


def blocks(max_leaves: int = 8) -> st.SearchStrategy[Block]:
    """What lies between the start and the end."""
    return st.recursive(
        st.lists(st.just(Plain()), min_size=1, max_size=2).map(tuple),
        lambda inner: st.lists(
            st.just(Plain())
            | inner.map(Each)
            | st.lists(inner, min_size=2, max_size=3).map(lambda branches: Branches(tuple(branches))),
            min_size=1,
            max_size=2,
        ).map(tuple),
        max_leaves=max_leaves,
    )


def _is_free(name: str) -> bool:
    taken = RESERVED | {"start", "end", "_parameters"}
    return name.isidentifier() and not keyword.iskeyword(name) and name not in taken and not name.startswith("__")


ODD_NAMES = (
    "Train",
    "train",
    "TRAIN",
    "let",
    "true",
    "matches",
    "a_b",
    "a__b",
    "ab",
    "größe",
    "数",
    "_x",
    "item",
    "step_1",
)

names = st.one_of(
    st.sampled_from(ODD_NAMES),
    st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,12}", fullmatch=True),
    st.text(st.characters(categories=("Ll", "Lu", "Lo", "Nd")), min_size=1, max_size=6),
).map(lambda name: unicodedata.normalize("NFKC", name))
step_names = names.filter(_is_free)
"""Legal names of steps other than the start and the end, as Python itself would write them."""

_DECORATORS = st.fixed_dictionaries(
    {},
    optional={
        "retry": st.fixed_dictionaries(
            {}, optional={"times": st.integers(0, 2), "minutes_between_retries": st.integers(0, 1)}
        ),
        "timeout": st.fixed_dictionaries({"minutes": st.integers(1, 9)}),
        "resources": st.fixed_dictionaries({"cpu": st.integers(1, 8), "memory": st.integers(100, 9000)}),
        "environment": st.fixed_dictionaries(
            {"vars": st.dictionaries(st.sampled_from("AB"), st.text("xyz{}'", max_size=3))}
        ),
    },
)


@dataclass
class _Layout:
    """Steps as they are laid out, from the end of the flow to its beginning."""

    free: list[str]
    steps: dict[str, Step] = field(default_factory=dict)

    def add(self, transition: Transition, *, is_join: bool = False) -> str:
        name = self.free.pop()
        self.steps[name] = Step(name=name, transition=transition, is_join=is_join)
        return name

    def lay(self, block: Block, then: str) -> str:
        """Lay out a block that goes on to *then*; the name of its first step."""
        for part in reversed(block):
            match part:
                case Plain():
                    then = self.add(Linear(then))
                case Branches(branches):
                    join = self.add(Linear(then), is_join=True)
                    then = self.add(Split(tuple(self.lay(branch, join) for branch in branches)))
                case Each(body):
                    join = self.add(Linear(then), is_join=True)
                    head = self.lay(body, join)
                    then = self.add(Foreach(head, f"items_{len(self.steps)}"))
        return then


def _size(block: Block) -> int:
    sizes = {Plain: lambda part: 1, Each: lambda part: 2 + _size(part.body)}
    return sum(
        2 + sum(map(_size, part.branches)) if isinstance(part, Branches) else sizes[type(part)](part) for part in block
    )


@st.composite
def graphs(draw: st.DrawFn, *, max_leaves: int = 8, decorated: bool = True) -> Graph:
    """A graph that passes the check: splits and foreaches in each other to any depth, odd names, decorators."""
    block = draw(blocks(max_leaves))
    size = _size(block)
    layout = _Layout(draw(st.lists(step_names, min_size=size, max_size=size, unique=True)))
    first = layout.lay(block, "end")
    steps = layout.steps
    if draw(st.booleans()):
        steps["start"] = replace(steps.pop(first), name="start")
    else:
        steps["start"] = Step(name="start", transition=Linear(first))
    steps["end"] = Step(name="end", transition=End())
    if decorated:
        steps = {name: replace(step, decorators=_specs(draw(_DECORATORS))) for name, step in steps.items()}
    order = draw(st.permutations(list(steps)))
    return Graph(flow="GeneratedFlow", steps={name: steps[name] for name in order})


def _specs(decorators: dict[str, dict[str, object]]) -> tuple[DecoratorSpec, ...]:
    defaults: dict[str, object] = {"times": 3, "minutes_between_retries": 2, "vars": {}}
    return tuple(
        DecoratorSpec(name=name, attributes={key: value for key, value in given.items() if value != defaults.get(key)})
        for name, given in decorators.items()
    )


def flow_source(graph: Graph) -> str:
    """A file with a flow of that graph, which runs: every foreach has two items, and every step leaves its trace."""
    lines = ["from metaflow_hera import FlowSpec, environment, resources, retry, step, timeout", "", ""]
    lines += [f"class {graph.flow}(FlowSpec):"]
    for step in graph:
        lines += [f"    {line}" for line in _step_source(step)]
    return "\n".join((*lines, "", 'if __name__ == "__main__":', f"    {graph.flow}()", ""))


def _step_source(step: Step) -> list[str]:
    decorators = [
        f"@{spec.name}({', '.join(f'{key}={value!r}' for key, value in spec.attributes.items())})"
        if spec.attributes
        else f"@{spec.name}"
        for spec in step.decorators
    ]
    inherited = "[i.trace for i in inputs]" if step.is_join else "getattr(self, 'trace', [])"
    body = [f"self.trace = [*{inherited}, {step.name!r}, self.index]"]
    match step.transition:
        case Linear(to):
            body += [f"self.next(self.{to})"]
        case Split(to):
            body += [f"self.next({', '.join(f'self.{target}' for target in to)})"]
        case Foreach(to, over):
            body += [f"self.{over} = ['x', 'y']", f"self.next(self.{to}, foreach={over!r})"]
    arguments = "self, inputs" if step.is_join else "self"
    return ["", *decorators, "@step", f"def {step.name}({arguments}):", *(f"    {line}" for line in body)]
