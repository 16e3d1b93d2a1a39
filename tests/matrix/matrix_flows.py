"""Flow files made of a shape and a behaviour, for tests that try every pair of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Shape = Mapping[str, str]
"""For each step what follows, in words: ``a``, ``a & b``, ``each a``, ``gang a``, ``a or b``, ``again or a``, ``.``

A step that is called ``join…`` gets inputs. ``a or b`` goes to the first where flip and index are even together.
"""

SHAPES: Mapping[str, Shape] = {
    "linear": {"start": "a", "a": "b", "b": "end", "end": "."},
    "one_step": {"only": "."},
    "other_ends": {"first": "a", "a": "last", "last": "."},
    "split": {"start": "a & b", "a": "join", "b": "join", "join": "end", "end": "."},
    "nested_split": {
        "start": "a & b",
        "a": "c & d",
        "c": "join_a",
        "d": "join_a",
        "join_a": "join",
        "b": "join",
        "join": "end",
        "end": ".",
    },
    "foreach": {"start": "each a", "a": "join", "join": "end", "end": "."},
    "nested_foreach": {"start": "each a", "a": "each b", "b": "join_b", "join_b": "join", "join": "end", "end": "."},
    "split_in_foreach": {
        "start": "each a",
        "a": "b & c",
        "b": "join_a",
        "c": "join_a",
        "join_a": "join",
        "join": "end",
        "end": ".",
    },
    "foreach_in_split": {
        "start": "a & b",
        "a": "each c",
        "c": "join_c",
        "join_c": "join",
        "b": "join",
        "join": "end",
        "end": ".",
    },
    "switch": {"start": "a or b", "a": "c", "b": "c", "c": "end", "end": "."},
    "switch_with_a_shortcut": {"start": "a or c", "a": "b", "b": "c", "c": "end", "end": "."},
    "nested_switch": {"start": "a or b", "a": "c or d", "c": "e", "d": "e", "b": "e", "e": "end", "end": "."},
    "switch_in_foreach": {
        "start": "each a",
        "a": "b or c",
        "b": "d",
        "c": "d",
        "d": "join",
        "join": "end",
        "end": ".",
    },
    "switch_to_a_join": {"start": "each a", "a": "b or c", "b": "join", "c": "join", "join": "end", "end": "."},
    "switch_in_split": {
        "start": "a & b",
        "a": "c or d",
        "c": "e",
        "d": "e",
        "e": "join",
        "b": "join",
        "join": "end",
        "end": ".",
    },
    "foreach_in_switch": {
        "start": "a or b",
        "a": "each c",
        "c": "join",
        "join": "d",
        "b": "d",
        "d": "end",
        "end": ".",
    },
    "loop": {"start": "a", "a": "again or b", "b": "end", "end": "."},
    "loop_in_foreach": {"start": "each a", "a": "again or b", "b": "join", "join": "end", "end": "."},
    "gang": {"start": "gang a", "a": "join", "join": "end", "end": "."},
}

ROUNDS = 3
"""How often a step repeats itself."""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What is added to every step of a shape: decorators, and lines before and after what the step does."""

    decorators: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    applies: Callable[[str], bool] = lambda following: True
    """To which steps, by what follows them."""


def ends_anyhow(following: str) -> bool:
    """Whether a step may fail and be caught: what comes next is known without it."""
    return not following.startswith(("each", "gang")) and " or " not in following


PLAIN = Behaviour()
MERGES = Behaviour()
RETRIES = Behaviour(
    decorators=("@retry(times=5, minutes_between_retries=0)",),
    before=("if current.retry_count == 0:", "    raise ValueError('the first attempt fails')"),
)
CATCHES = Behaviour(
    decorators=("@catch(var='failed', print_exception=False)",),
    after=("raise ValueError('every attempt fails')",),
    applies=ends_anyhow,
)
FAILS_WHERE_TOLD = Behaviour(
    before=("if os.environ.get('FAIL_AT') == current.step_name:", "    raise ValueError('told to fail')"),
)


def gangs(shape: Shape) -> set[str]:
    """The steps whose tasks run at the same time."""
    return {following.removeprefix("gang ") for following in shape.values() if following.startswith("gang ")}


def source(name: str, shape: Shape, behaviour: Behaviour) -> str:
    """The text of a flow file."""
    steps = list(shape)
    lines = [
        "import os",
        "",
        "from metaflow_hera import FlowSpec, Parameter, catch, current, parallel, retry, step",
        "",
        "",
        f"class {class_name(name)}(FlowSpec):",
        "    flip = Parameter('flip', default=0)",
        "    constant = 'c'",
    ]
    for step in steps:
        marks = ", ".join(
            f"{mark}=True" for mark, place in (("start", 0), ("end", -1)) if step == steps[place] and step != mark
        )
        following = shape[step]
        applied = (
            behaviour if behaviour.applies(following) and not (step in gangs(shape) and behaviour is CATCHES) else PLAIN
        )
        lines += [
            "",
            *(f"    {decorator}" for decorator in applied.decorators),
            *(["    @parallel"] if step in gangs(shape) else []),
            f"    @step({marks})" if marks else "    @step",
            f"    def {step}(self{', inputs' if is_join(step) else ''}):",
            *(f"        {line}" for line in applied.before),
            *(f"        {line}" for line in _work(step, following, is_first=step == steps[0])),
            *(f"        {line}" for line in applied.after),
            *(f"        {line}" for line in _next(following)),
        ]
    return "\n".join([*lines, "", "", 'if __name__ == "__main__":', f"    {class_name(name)}()", ""])


def class_name(shape: str) -> str:
    return "".join(word.title() for word in shape.split("_")) + "MatrixFlow"


def is_join(step: str) -> bool:
    return step.startswith("join")


def _work(step: str, following: str, *, is_first: bool) -> list[str]:
    """The artifacts that every task leaves: its trace is all that led to it."""
    lines = []
    if is_first:
        lines += [f"self.trace = [{step!r}]", "self.common = {'merged': True}"]
    elif is_join(step):
        lines += [f"self.trace = [[i.trace for i in inputs], {step!r}]"]
        lines += ["self.merge_artifacts(inputs, include=['common'])"]
    else:
        lines += [f"self.trace = [*self.trace, ({step!r}, self.index, self.input)]"]
    if following.startswith("each"):
        lines += ["self.items = [(self.index, 'left'), (self.index, 'right')]"]
    elif following.startswith("again"):
        lines += [
            "self.round = getattr(self, 'round', 0) + 1",
            f"self.choice = 'again' if self.round < {ROUNDS} else 'done'",
        ]
    elif " or " in following:
        lines += ["self.choice = 'xy'[(self.flip + (self.index or 0)) % 2]"]
    return lines


def _next(following: str) -> list[str]:
    if following == ".":
        return []
    if following.startswith("again or "):
        return [
            "self.next({'again': self.a, 'done': self." + following.removeprefix("again or ") + "}, condition='choice')"
        ]
    if " or " in following:
        first, second = following.split(" or ")
        return [f"self.next({{'x': self.{first}, 'y': self.{second}}}, condition='choice')"]
    if following.startswith("each "):
        return [f"self.next(self.{following.removeprefix('each ')}, foreach='items')"]
    if following.startswith("gang "):
        return [f"self.next(self.{following.removeprefix('gang ')}, num_parallel=2)"]
    return [f"self.next({', '.join(f'self.{step}' for step in following.split(' & '))})"]
