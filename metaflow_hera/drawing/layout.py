"""Where each step of a graph goes on paper: in layers from the start downwards, with few crossings and straight lines.

The usual three passes: a layer per step (its longest way from the start), an order within each layer (barycentres),
a place for each (the least squares that keep the order and the gaps). Edges over several layers have points between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from metaflow_hera.graph.model import Graph

SWEEPS = 6
GAP = 28.0
"""Between neighbours of one layer."""
BEND = 12.0
"""The room that an edge takes where it passes a layer."""

Node = str | tuple[str, str, int]
"""A step, or the point where the edge between two steps passes a layer."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Layers, and the middle of every node; *paths* lead from step to step through the points between."""

    layers: tuple[tuple[Node, ...], ...]
    x: Mapping[Node, float]
    layer: Mapping[Node, int]
    paths: Mapping[tuple[str, str], tuple[Node, ...]]


def lay_out(graph: Graph, widths: Mapping[str, float]) -> Layout:
    """Places for the steps of *graph* that the start leads to, each as wide as *widths* says; x begins at 0."""
    layer = _layers(graph)
    paths = {
        (step, target): _path(step, target, layer)
        for step in graph.order
        for target in graph[step].targets
        if target in layer and target != step
    }
    layer |= {
        point: layer[step] + count
        for (step, _), path in paths.items()
        for count, point in enumerate(path)
        if point not in layer
    }
    links = [(above, below) for path in paths.values() for above, below in pairwise(path)]
    uppers, lowers = _neighbours(links)
    layers = _ordered(_rows(layer), uppers, lowers)
    x = _placed(layers, uppers, lowers, widths)
    return Layout(layers=tuple(map(tuple, layers)), x=x, layer=layer, paths=paths)


def _layers(graph: Graph) -> dict[Node, int]:
    layer: dict[Node, int] = {}
    for step in graph.order:
        layer[step] = 1 + max((layer[parent] for parent in graph.parents[step]), default=-1)
    return layer


def _path(step: str, target: str, layer: Mapping[Node, int]) -> tuple[Node, ...]:
    between: list[Node] = [(step, target, number) for number in range(layer[step] + 1, layer[target])]
    return (step, *between, target)


def _rows(layer: Mapping[Node, int]) -> list[list[Node]]:
    rows: list[list[Node]] = [[] for _ in range(1 + max(layer.values(), default=-1))]
    for node, number in layer.items():
        rows[number].append(node)
    return rows


Neighbours = Mapping[Node, Sequence[Node]]


def _neighbours(links: Sequence[tuple[Node, Node]]) -> tuple[Neighbours, Neighbours]:
    uppers: dict[Node, list[Node]] = {}
    lowers: dict[Node, list[Node]] = {}
    for above, below in links:
        lowers.setdefault(above, []).append(below)
        uppers.setdefault(below, []).append(above)
    return uppers, lowers


def _ordered(rows: list[list[Node]], uppers: Neighbours, lowers: Neighbours) -> list[list[Node]]:
    """Each row sorted by the mean place of its neighbours, in turns from above and from below."""
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        neighbours = uppers if downwards else lowers
        place: dict[Node, float] = {node: index for row in rows for index, node in enumerate(row)}
        for row in rows if downwards else reversed(rows):
            wanted = {node: _mean([place[other] for other in neighbours.get(node, ())], place[node]) for node in row}
            row.sort(key=wanted.__getitem__)
            place |= {node: index for index, node in enumerate(row)}
    return rows


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _placed(
    layers: list[list[Node]], uppers: Neighbours, lowers: Neighbours, widths: Mapping[str, float]
) -> dict[Node, float]:
    width = {node: widths[node] if isinstance(node, str) else BEND for row in layers for node in row}
    x: dict[Node, float] = {}
    for row in layers:
        x |= zip(row, _apart([0.0] * len(row), [width[node] for node in row]), strict=True)
    both = {node: (*uppers.get(node, ()), *lowers.get(node, ())) for node in x}
    for neighbours in (uppers, lowers) * SWEEPS + (both,) * SWEEPS:
        for row in reversed(layers) if neighbours is lowers else layers:
            wanted = [_mean([x[other] for other in neighbours.get(node, ())], x[node]) for node in row]
            x |= zip(row, _apart(wanted, [width[node] for node in row]), strict=True)
    left = min((x[node] - width[node] / 2 for node in x), default=0.0)
    return {node: place - left for node, place in x.items()}


def _apart(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """The places nearest to the wanted ones that keep the order and the gap between neighbours.

    >>> _apart([0, 0], [10, 10])
    [-19.0, 19.0]
    """
    offsets = [0.0]
    for left, right in pairwise(widths):
        offsets.append(offsets[-1] + (left + right) / 2 + GAP)
    blocks: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=False):
        mean, size = want - offset, 1
        while blocks and blocks[-1][0] > mean:
            earlier, count = blocks.pop()
            mean, size = (earlier * count + mean * size) / (count + size), count + size
        blocks.append((mean, size))
    levels = [mean for mean, size in blocks for _ in range(size)]
    return [level + offset for level, offset in zip(levels, offsets, strict=False)]
