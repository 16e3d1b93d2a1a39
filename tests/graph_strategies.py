"""Random flows that pass the check, as graphs and as source; for property tests of every room."""

from __future__ import annotations

import keyword
import unicodedata
from dataclasses import dataclass, field, replace
from itertools import count

from hypothesis import strategies as st

from metaflow_hera.flow.spec import RESERVED
from metaflow_hera.graph.model import DecoratorSpec, End, Foreach, Graph, Linear, Split, Step, Switch, Transition


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


@dataclass(frozen=True)
class Gang:
    """A num_parallel: its split, its step and its join."""


@dataclass(frozen=True)
class Choice:
    """A switch and its branches; what follows the last part of each comes next, at once for an empty branch."""

    branches: tuple[Block, ...]
    repeats: bool = False
    """Whether it can choose itself, too."""
    falls_through: bool = False
    """Whether each branch goes on to the next one."""


Block = tuple["Plain | Branches | Each | Gang | Choice", ...]
"""Parts one after another, at least one but for an empty branch of a choice."""


def _choices(inner: st.SearchStrategy[Block]) -> st.SearchStrategy[Choice]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    one_way_past = st.lists(inner, min_size=1, max_size=2).map(lambda branches: (*branches, ()))
    return st.builds(Choice, several | one_way_past, st.booleans(), st.booleans())


def blocks(max_leaves: int = 8, *, plain: bool = False) -> st.SearchStrategy[Block]:
    """What lies between the start and the end; if *plain*, without switches, loops and gangs."""
    single = st.just(Plain()) if plain else st.sampled_from([Plain(), Plain(), Gang(), Choice(((),), repeats=True)])

    def longer(inner: st.SearchStrategy[Block]) -> st.SearchStrategy[Block]:
        parts = [st.just(Plain()), inner.map(Each)]
        parts += [st.lists(inner, min_size=2, max_size=3).map(lambda branches: Branches(tuple(branches)))]
        parts += [] if plain else [_choices(inner)]
        return st.lists(st.one_of(parts), min_size=1, max_size=2).map(tuple)

    return st.recursive(st.lists(single, min_size=1, max_size=2).map(tuple), longer, max_leaves=max_leaves)


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
    "flow",
    "exit",
    "on_exit",
    "shortcut",
    "foreach_start",
    "item_start",
    "a_to_b",
    "n",
    "y",
    "on",
    "x" * 150,
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
                case Gang():
                    then = self.lay_gang(then)
                case Choice():
                    then = self.lay_choice(part, then)
        return then

    def lay_gang(self, then: str) -> str:
        head = self.add(Linear(self.add(Linear(then), is_join=True)))
        self.steps[head] = replace(self.steps[head], decorators=(PARALLEL,))
        return self.add(Foreach(head, "", gang=True))

    def lay_choice(self, choice: Choice, then: str) -> str:
        heads: list[str] = []
        for branch in reversed(choice.branches):
            after = heads[0] if choice.falls_through and heads else then
            heads.insert(0, self.lay(branch, after))
        name = self.free.pop()
        targets = [name, *heads] if choice.repeats else heads
        cases = tuple(zip(map(repr, CASES), targets, strict=False))
        self.steps[name] = Step(name=name, transition=Switch(cases, f"kind_{len(self.steps)}"))
        return name


CASES = ("x", 2, -1.5, True, "it's")
PARALLEL = DecoratorSpec(name="parallel")


def _size(block: Block) -> int:
    return sum(map(_steps, block))


def _steps(part: Plain | Branches | Each | Gang | Choice) -> int:
    match part:
        case Plain():
            return 1
        case Branches(branches):
            return 2 + sum(map(_size, branches))
        case Each(body):
            return 2 + _size(body)
        case Gang():
            return 3
        case Choice(branches):
            return 1 + sum(map(_size, branches))


@st.composite
def graphs(draw: st.DrawFn, *, max_leaves: int = 8, decorated: bool = True, plain: bool = False) -> Graph:
    """A graph that passes the check: splits, foreaches, switches in each other to any depth, odd names, decorators."""
    block = draw(blocks(max_leaves, plain=plain))
    size = _size(block)
    drawn = draw(st.lists(step_names, max_size=6, unique=True))
    further = (name for number in range(size) if (name := f"step_{number}") not in drawn)
    layout = _Layout([*further, *drawn])
    first = layout.lay(block, "end")
    steps = layout.steps
    if first not in steps[first].targets and draw(st.booleans()):
        steps["start"] = replace(steps.pop(first), name="start")
    else:
        steps["start"] = Step(name="start", transition=Linear(first))
    steps["end"] = Step(name="end", transition=End())
    if decorated:
        steps = {name: _decorated(step, draw(_DECORATORS)) for name, step in steps.items()}
    order = draw(st.permutations(list(steps)))
    return Graph(flow="GeneratedFlow", steps={name: steps[name] for name in order})


def _decorated(step: Step, decorators: dict[str, dict[str, object]]) -> Step:
    return replace(step, decorators=(*step.decorators, *_specs(decorators)))


def _specs(decorators: dict[str, dict[str, object]]) -> tuple[DecoratorSpec, ...]:
    defaults: dict[str, object] = {"times": 3, "minutes_between_retries": 2, "vars": {}}
    return tuple(
        DecoratorSpec(name=name, attributes={key: value for key, value in given.items() if value != defaults.get(key)})
        for name, given in decorators.items()
    )


def flow_source(graph: Graph) -> str:
    """A file with a flow of that graph, which runs: every foreach has two items, and every step leaves its trace.

    A switch takes its cases in turn, by the index of its item and the number of its iteration, itself at most twice.
    """
    lines = ["from metaflow_hera import FlowSpec, environment, parallel, resources, retry, step, timeout", "", ""]
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
        case Foreach(to, gang=True):
            body += [f"self.next(self.{to}, num_parallel=1 + 1)"]
        case Foreach(to, over):
            body += [f"self.{over} = ['x', 'y']", f"self.next(self.{to}, foreach={over!r})"]
        case Switch(cases, condition):
            count = f"self.{condition}_count"
            body += [f"{count} = getattr(self, '{condition}_count', -1) + 1"]
            body += [f"self.{condition} = [{', '.join(value for value, _ in cases)}]"]
            body[-1] += f"[({count} + sum(index for index, *_ in self.foreach_stack())) % {len(cases)}]"
            written = ", ".join(f"{value}: self.{target}" for value, target in cases)
            body += [f"self.next({{{written}}}, condition={condition!r})"]
    arguments = "self, inputs" if step.is_join else "self"
    return ["", *decorators, "@step", f"def {step.name}({arguments}):", *(f"    {line}" for line in body)]


def chosen_step(graph: Graph, task: tuple[str, str]) -> str:
    """What a switch of `flow_source` chooses in the end, by its step and its index path."""
    step, path = task
    transition = graph[step].transition
    assert isinstance(transition, Switch)
    first = sum(map(int, path.split("."))) if graph.foreaches(step) else 0
    rounds = (transition.cases[number % len(transition.cases)][1] for number in count(first))
    return next(target for target in rounds if target != step)
