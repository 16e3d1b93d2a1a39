"""A flow as SVG: a picture that stands by itself, for a file or a notebook, in light and in dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from metaflow_hera.drawing.layout import Layout, Node, lay_out
from metaflow_hera.graph.model import Foreach, Graph, Step, Switch

CHARACTER = 7.8
SMALL_CHARACTER = 6.2
HEIGHT = 40.0
DISTANCE = 84.0
"""From the middle of a layer to that of the next."""
MARGIN = 24.0
HEADING = 30.0

STYLE = """\
.mfhera{font-family:ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
.mfhera .box{fill:#fff;stroke:#5b6b86;stroke-width:1.2}
.mfhera .behind{fill:#eef2f8;stroke:#9fb0ca}
.mfhera .first .box,.mfhera .last .box{fill:#e7f0ff;stroke:#2f6fde}
.mfhera .name{font-size:13px;font-weight:600;fill:#1c2536;text-anchor:middle}
.mfhera .note{font-size:10px;fill:#66758f;text-anchor:middle}
.mfhera .label{font-size:10px;fill:#66758f}
.mfhera .flow{font-size:15px;font-weight:700;fill:#1c2536}
.mfhera .edge{fill:none;stroke:#8492aa;stroke-width:1.3}
.mfhera .choice{stroke-dasharray:5 3}
.mfhera .succeeded .box{fill:#e5f5e9;stroke:#2c8f4e}
.mfhera .running .box{fill:#fff4d6;stroke:#c98a00}
.mfhera .failed .box{fill:#fde7e7;stroke:#cc3333}
.mfhera .waiting .box{fill:#f6f7f9;stroke:#b5bdc9;stroke-dasharray:4 3}
.mfhera .tip{fill:#8492aa}
@media (prefers-color-scheme:dark){
.mfhera .box{fill:#1f2937;stroke:#8ea0bd}
.mfhera .behind{fill:#18202d;stroke:#566580}
.mfhera .first .box,.mfhera .last .box{fill:#1d3a6b;stroke:#6ea2ff}
.mfhera .succeeded .box{fill:#173a25;stroke:#58c481}
.mfhera .running .box{fill:#463607;stroke:#e8b339}
.mfhera .failed .box{fill:#4a1c1c;stroke:#f07f7f}
.mfhera .waiting .box{fill:#1a212c;stroke:#566580}
.mfhera .name,.mfhera .flow{fill:#e8edf6}
.mfhera .note,.mfhera .label{fill:#a3b1c8}
}"""

TIP = """\
<defs><marker id="mfhera-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path class="tip" d="M0 0.8 L7.4 4 L0 7.2 Z"/></marker></defs>"""


class StepState(NamedTuple):
    """How a step of a run is: it has its colour, and a note in place of its decorators."""

    kind: str
    """``waiting``, ``running``, ``succeeded`` or ``failed``"""
    note: str = ""


_NO_STATES: Mapping[str, StepState] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class _Paper:
    graph: Graph
    layout: Layout
    widths: dict[str, float]
    states: Mapping[str, StepState]

    def at(self, node: Node) -> tuple[float, float]:
        """The middle of a node."""
        top = MARGIN + HEADING + HEIGHT / 2
        return MARGIN + self.layout.x[node], top + self.layout.layer[node] * DISTANCE

    @property
    def size(self) -> tuple[float, float]:
        sides = [self.at(step)[0] + width / 2 + self._beside(step) for step, width in self.widths.items()]
        right = max([*sides, *self._label_ends()], default=0.0)
        bottom = max((self.at(step)[1] for step in self.widths), default=0.0) + HEIGHT / 2
        return max(right, MARGIN + len(self.graph.flow) * 9.2) + MARGIN, bottom + MARGIN

    def _label_ends(self) -> Iterator[float]:
        """The right end of what is written beside each edge."""
        for (step, target), path in self.layout.paths.items():
            text, (x, to) = _edge_text(self.graph[step], target), (self.at(node)[0] for node in path[:2])
            if text and to >= x:
                yield (x + to) / 2 + 7 + len(text) * SMALL_CHARACTER

    def _beside(self, step: str) -> float:
        """The room for what is drawn to the right of a step: its loop with its label, or the edge of a stack."""
        is_loop = step in self.graph[step].targets
        return 34 + len(_edge_text(self.graph[step], step)) * SMALL_CHARACTER if is_loop else 8.0


def to_svg(graph: Graph, states: Mapping[str, StepState] = _NO_STATES) -> str:
    """The graph as one ``<svg>`` element, its steps in the colours of *states*; equal arguments give equal text."""
    widths = {step: _width(graph[step], _note(graph[step], states)) for step in graph.order}
    paper = _Paper(graph=graph, layout=lay_out(graph, widths), widths=widths, states=states)
    width, height = paper.size
    parts = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="mfhera" role="img" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">',
        f"<title>{escape(graph.flow)}</title>",
        f"<style>{STYLE}</style>",
        TIP,
        f'<text class="flow" x="{MARGIN:.0f}" y="{MARGIN + 6:.0f}">{escape(graph.flow)}</text>',
        *_edges(paper),
        *(part for step in graph.order for part in _box(paper, graph[step])),
        "</svg>",
    )
    return "\n".join(parts) + "\n"


def _note(step: Step, states: Mapping[str, StepState]) -> str:
    if step.name in states:
        return states[step.name].note
    return " ".join(f"@{decorator.name}" for decorator in step.decorators)


def _width(step: Step, note: str) -> float:
    return max(72.0, len(step.name) * CHARACTER + 28, len(note) * SMALL_CHARACTER + 20)


def _box(paper: _Paper, step: Step) -> Iterator[str]:
    graph = paper.graph
    x, y = paper.at(step.name)
    width = paper.widths[step.name]
    role = {graph.start: "first", graph.end: "last"}.get(step.name, "step")
    if step.name in paper.states:
        role = paper.states[step.name].kind
    yield f'<g class="{role}"><title>{escape(_tooltip(step))}</title>'
    for shift in (8, 4) if graph.foreaches(step.name) else ():
        yield _rectangle(x + shift, y + shift, width, "behind")
    yield _rectangle(x, y, width, "box")
    note = _note(step, paper.states)
    yield f'<text class="name" x="{x:.1f}" y="{y + (-1 if note else 4.5):.1f}">{escape(step.name)}</text>'
    if note:
        yield f'<text class="note" x="{x:.1f}" y="{y + 13:.1f}">{escape(note)}</text>'
    yield "</g>"


def _rectangle(x: float, y: float, width: float, kind: str) -> str:
    left, top = x - width / 2, y - HEIGHT / 2
    return f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{HEIGHT:.0f}" rx="8"/>'


def _tooltip(step: Step) -> str:
    return ": ".join(filter(None, (step.name, step.doc.strip())))


def _edges(paper: _Paper) -> Iterator[str]:
    for (step, target), path in paper.layout.paths.items():
        yield from _edge(paper, paper.graph[step], target, path)
    for name in paper.graph.order:
        if name in paper.graph[name].targets:
            yield from _loop(paper, paper.graph[name])


def _edge(paper: _Paper, step: Step, target: str, path: tuple[Node, ...]) -> Iterator[str]:
    points = [paper.at(node) for node in path]
    points[0] = (points[0][0], points[0][1] + HEIGHT / 2)
    points[-1] = (points[-1][0], points[-1][1] - HEIGHT / 2 - 1)
    bends = "".join(
        f" C{x:.1f} {(y + below) / 2:.1f} {to:.1f} {(y + below) / 2:.1f} {to:.1f} {below:.1f}"
        for (x, y), (to, below) in pairwise(points)
    )
    kind = "edge choice" if isinstance(step.transition, Switch) else "edge"
    yield f'<path class="{kind}" d="M{points[0][0]:.1f} {points[0][1]:.1f}{bends}" marker-end="url(#mfhera-tip)"/>'
    (x, y), (to, below) = points[:2]
    side = "end" if to < x else "start"
    yield from _label(_edge_text(step, target), (x + to) / 2 + (7 if side == "start" else -7), (y + below) / 2, side)


def _loop(paper: _Paper, step: Step) -> Iterator[str]:
    x, y = paper.at(step.name)
    side = x + paper.widths[step.name] / 2
    out = side + 34
    curve = f"M{side:.1f} {y + 10:.1f} C{out:.1f} {y + 16:.1f} {out:.1f} {y - 16:.1f} {side + 2:.1f} {y - 10:.1f}"
    yield f'<path class="edge choice" d="{curve}" marker-end="url(#mfhera-tip)"/>'
    yield from _label(_edge_text(step, step.name), side + 30, y, "start")


def _edge_text(step: Step, target: str) -> str:
    match step.transition:
        case Foreach(gang=True):
            return "num_parallel"
        case Foreach(over=over):
            return f"for each of {over}"
        case Switch(cases):
            return ", ".join(value for value, to in cases if to == target)
        case _:
            return ""


def _label(text: str, x: float, y: float, anchor: str) -> Iterator[str]:
    if text:
        yield f'<text class="label" x="{x:.1f}" y="{y + 3:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
