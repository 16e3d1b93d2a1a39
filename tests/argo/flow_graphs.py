"""Flows of every shape, as a test can walk them, and as the graphs that the parser would make of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from metaflow_hera.graph.model import DecoratorSpec, End, Foreach, Graph, Linear, Split, Step, Switch, Transition


@dataclass(frozen=True)
class One:
    """A single step."""

    name: str


@dataclass(frozen=True)
class Fork:
    """A static split: all branches, then the join."""

    name: str
    branches: tuple[Sequence, ...]
    join: str


@dataclass(frozen=True)
class Fan:
    """A foreach."""

    name: str
    body: Sequence
    join: str


@dataclass(frozen=True)
class Choice:
    """A switch: one of the branches, then the step where all meet."""

    name: str
    branches: tuple[Sequence, ...]
    meeting: str


Block = One | Fork | Fan | Choice
Sequence = tuple[Block, ...]

IDENTIFIERS = st.one_of(
    st.sampled_from(["let", "not_", "true", "Train", "train", "TRAIN", "_x", "x_", "__", "n", "y", "on"]),
    st.sampled_from(["größe", "漢字", "ｆｕｌｌ"]),
    st.sampled_from(["flow", "exit", "on_exit", "foreach_start", "item_start", "foreach_a", "a", "b2", "x" * 150]),
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True),
)


MANY = 60
"""Steps, from which on a flow only goes on: with what is open by then it stays below Argo's 200 templates."""


@dataclass
class _Names:
    """Hands out the names of a flow's steps, each once."""

    left: list[str]
    used: int = 0

    def next(self) -> str:
        self.used += 1
        return self.left.pop() if self.left else f"further_step_{self.used}"


@st.composite
def flows(draw: st.DrawFn, *, depth: int = 3) -> Sequence:
    """A whole flow, from start to end."""
    wanted = draw(st.lists(IDENTIFIERS, max_size=10, unique=True))
    names = _Names([name for name in wanted if name.isidentifier() and name not in ("start", "end")])
    inside = _sequence(draw, names, depth)
    first = draw(st.sampled_from([One, Fork, Fan, Choice]))
    return (_block(draw, names, depth, "start") if first is not One else One("start"), *inside, One("end"))


def _sequence(draw: st.DrawFn, names: _Names, depth: int) -> Sequence:
    count = draw(st.integers(1 if depth < 3 else 0, 2))
    return tuple(_block(draw, names, depth, names.next()) for _ in range(count))


def _block(draw: st.DrawFn, names: _Names, depth: int, name: str) -> Block:
    kind = draw(st.sampled_from([One, Fork, Fan, Choice])) if depth and names.used < MANY else One
    if kind is Fork:
        return Fork(
            name, tuple(_sequence(draw, names, depth - 1) for _ in range(draw(st.integers(2, 3)))), names.next()
        )
    if kind is Fan:
        return Fan(name, _sequence(draw, names, depth - 1), names.next())
    if kind is Choice:
        return Choice(name, tuple(_sequence(draw, names, depth - 1) for _ in range(2)), names.next())
    return One(name)


@dataclass
class _Builder:
    steps: dict[str, Step] = field(default_factory=dict)

    def sequence(self, blocks: Sequence, following: str | None) -> str:
        """Add the steps of *blocks*, which go on to *following*; return the first."""
        head = following
        for block in reversed(blocks):
            head = self.block(block, head)
        assert head is not None
        return head

    def block(self, block: Block, following: str | None) -> str:
        after: Transition = End() if following is None else Linear(following)
        match block:
            case One(name):
                self.add(name, after)
            case Fork(name, branches, join):
                self.add(name, Split(tuple(self.sequence(branch, join) for branch in branches)))
                self.add(join, after, is_join=True)
            case Fan(name, body, join):
                self.add(name, Foreach(self.sequence(body, join), "items"))
                self.add(join, after, is_join=True)
            case Choice(name, branches, meeting):
                heads = [self.sequence(branch, meeting) for branch in branches]
                self.add(name, Switch(tuple((str(n), head) for n, head in enumerate(heads)), "kind"))
                self.add(meeting, after)
        return block.name

    def add(self, name: str, transition: Transition, *, is_join: bool = False) -> None:
        self.steps[name] = Step(name=name, transition=transition, is_join=is_join)


def graph_of(flow: Sequence, decorators: dict[str, tuple[DecoratorSpec, ...]] | None = None) -> Graph:
    builder = _Builder()
    builder.sequence(flow, None)
    steps = {
        name: Step(
            name=name,
            transition=step.transition,
            is_join=step.is_join,
            decorators=(decorators or {}).get(name, ()),
        )
        for name, step in builder.steps.items()
    }
    return Graph(flow="Flow", steps=steps)
