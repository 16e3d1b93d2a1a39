"""Charts as SVG, of the part of Vega-Lite that needs no library: one layer of lines, bars or points over inline data.

A card fetches nothing, so nothing can draw all of Vega-Lite in it. What is not of this part is refused with its name,
and the component shows the specification instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from metaflow_hera.cards.axes import Axis, as_number, band_axis, number_axis, time_axis
from metaflow_hera.cards.markup import element, escaped
from metaflow_hera.cards.values import shown

WIDTH, HEIGHT = 560.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 16.0, 30.0, 48.0
COLORS = ("#4269d0", "#e07b39", "#3a9c6b", "#c2475f", "#8a63b8", "#9a7b4f", "#2b9fb8", "#7c8799")
MOST_ROWS = 20_000

_MARKS = {"line": "line", "bar": "bar", "point": "point", "circle": "point", "square": "point"}
_TOP_LEVEL = frozenset(
    (
        *("$schema", "autosize", "background", "config", "data", "datasets", "description", "encoding", "height"),
        *("mark", "name", "padding", "params", "title", "usermeta", "width"),
    )
)
_CHANNELS = frozenset({"x", "y", "color", "tooltip"})
_OF_CHANNEL = frozenset({"axis", "field", "legend", "scale", "sort", "stack", "title", "type"})


class NotDrawnError(ValueError):
    """A specification with something that is not drawn here; its text names that."""


@dataclass(frozen=True, kw_only=True)
class Channel:
    """What an axis or the colour shows: a field of the data, and of which type its values are."""

    field: str
    type: str
    title: str
    from_zero: bool | None


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart that can be drawn: rows of the data, each with the fields of all channels."""

    mark: str
    title: str
    rows: Sequence[Mapping[str, object]]
    x: Channel
    y: Channel
    color: Channel | None


def to_svg(spec: Mapping[str, Any]) -> str:
    """A specification as an ``<svg>`` element; `NotDrawnError` if it is beyond what is drawn here."""
    try:
        return _drawn(read(spec))
    except NotDrawnError:
        raise
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, OSError) as error:
        raise NotDrawnError(f"{type(error).__name__}: {error}") from error


def read(spec: Mapping[str, Any]) -> Chart:
    """The chart that a specification asks for."""
    _refuse(spec.keys() - _TOP_LEVEL, "")
    mark = spec["mark"] if isinstance(spec["mark"], str) else spec["mark"]["type"]
    if mark not in _MARKS:
        raise NotDrawnError(f"mark {mark!r}")
    encoding = spec["encoding"]
    constant = {name for name, given in encoding.items() if isinstance(given, Mapping) and given.keys() <= {"value"}}
    _refuse(encoding.keys() - _CHANNELS - constant, "encoding.")
    x, y = (_channel(name, encoding[name]) for name in ("x", "y"))
    color = _channel("color", encoding["color"]) if "color" in encoding.keys() - constant else None
    if color is not None and color.type not in ("nominal", "ordinal"):
        raise NotDrawnError("a scale of colours")
    return Chart(
        mark=_MARKS[mark], title=_text(spec.get("title")), rows=_rows(spec, (x, y, color)), x=x, y=y, color=color
    )


def _refuse(unknown: set[str], where: str) -> None:
    if unknown:
        raise NotDrawnError(", ".join(f"{where}{name}" for name in sorted(unknown)))


def _channel(name: str, given: Mapping[str, Any]) -> Channel:
    _refuse({key for key, value in given.items() if value is not None} - _OF_CHANNEL, f"encoding.{name}.")
    scale, axis = given.get("scale") or {}, given.get("axis") or {}
    _refuse(set(scale) - {"zero", "nice"}, f"encoding.{name}.scale.")
    if given.get("type") not in ("quantitative", "temporal", "nominal", "ordinal"):
        raise NotDrawnError(f"encoding.{name} without a type")
    return Channel(
        field=given["field"],
        type=given["type"],
        title=_text(given.get("title", axis.get("title", given["field"]))),
        from_zero=scale.get("zero"),
    )


def _text(value: object) -> str:
    """A title, also one that is written as an object or over several lines."""
    if isinstance(value, Mapping):
        value = value.get("text")
    return " ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _rows(spec: Mapping[str, Any], channels: tuple[Channel | None, ...]) -> list[Mapping[str, object]]:
    data = spec["data"]
    rows = data["values"] if "values" in data else spec["datasets"][data["name"]]
    fields = [channel.field for channel in channels if channel]
    kept = [row for row in rows if all(row.get(name) is not None for name in fields)]
    if not kept or len(kept) > MOST_ROWS:
        raise NotDrawnError(f"data of {len(kept)} rows" if kept else "data without rows")
    return kept


def _drawn(chart: Chart) -> str:
    groups = _groups(chart)
    x, y = _axis(chart, chart.x, groups), _axis(chart, chart.y, groups)
    draw = {"line": _lines, "bar": _bars, "point": _points}[chart.mark]
    parts = (*_grid(x, y), *draw(chart, groups, x, y), *_legend(chart, groups))
    title = element("text", escaped(chart.title), class_="heading", x=LEFT, y=16) if chart.title else ""
    box = f"0 0 {WIDTH:.0f} {HEIGHT:.0f}"
    return element("svg", title, *parts, class_="chart", role="img", viewBox=box, width=f"{WIDTH:.0f}")


Groups = Mapping[str, Sequence[Mapping[str, object]]]


def _groups(chart: Chart) -> Groups:
    """The rows of each colour."""
    groups: dict[str, list[Mapping[str, object]]] = {}
    for row in chart.rows:
        groups.setdefault(shown(row[chart.color.field]) if chart.color else "", []).append(row)
    return groups


def _axis(chart: Chart, channel: Channel, groups: Groups) -> Axis:
    values: list[object] = [row[channel.field] for row in chart.rows]
    if channel.type == "temporal":
        return time_axis(values, channel.title)
    if channel.type != "quantitative":
        return band_axis(values, channel.title)
    if chart.mark == "bar":
        other = chart.x if channel is chart.y else chart.y
        values += [end for _, _, end in _stacked(groups, other.field, channel.field).values()]
    from_zero = chart.mark == "bar" if channel.from_zero is None else channel.from_zero
    return number_axis(values, channel.title, from_zero=from_zero)


Stack = dict[tuple[str, int], tuple[Mapping[str, object], float, float]]


def _stacked(groups: Groups, along: str, field: str) -> Stack:
    """For each row, by group and number: itself and from where to where its bar goes, on those of other colours."""
    tops: dict[tuple[str, bool], float] = {}
    stack: Stack = {}
    for name, rows in groups.items():
        for number, row in enumerate(rows):
            value = as_number(row[field])
            place = shown(row[along]), value < 0
            begin = tops.get(place, 0.0)
            tops[place] = begin + value
            stack[name, number] = row, begin, begin + value
    return stack


def _across(place: float) -> float:
    return LEFT + place * (WIDTH - LEFT - RIGHT)


def _down(place: float) -> float:
    return HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)


def _grid(x: Axis, y: Axis) -> Iterator[str]:
    bottom = HEIGHT - BOTTOM
    for text, place in y.ticks:
        yield _line(LEFT, _down(place), WIDTH - RIGHT, _down(place), "grid")
        yield _label(text, LEFT - 6, _down(place) + 3.5, "end")
    every = -(-len(x.ticks) // 12)
    for text, place in x.ticks[::every]:
        yield _line(_across(place), bottom, _across(place), bottom + 4, "tick")
        yield _label(text, _across(place), bottom + 16, "middle")
    yield _line(LEFT, bottom, WIDTH - RIGHT, bottom, "tick")
    yield _label(x.title, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "middle", "title")
    middle = (TOP + bottom) / 2
    turned = f"rotate(-90 14 {middle:.1f})"
    yield element(
        "text", escaped(_cut(y.title)), class_="title", x=14, y=f"{middle:.1f}", text_anchor="middle", transform=turned
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _label(text: str, x: float, y: float, anchor: str, kind: str = "label") -> str:
    return element("text", escaped(_cut(text)), class_=kind, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)


def _cut(text: str, longest: int = 24) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _color(groups: Groups, name: str) -> str:
    return COLORS[list(groups).index(name) % len(COLORS)]


def _lines(chart: Chart, groups: Groups, x: Axis, y: Axis) -> Iterator[str]:
    for name, rows in groups.items():
        places = [(x.place(row[chart.x.field]), y.place(row[chart.y.field])) for row in rows]
        if not x.band:
            places.sort()
        points = " ".join(f"{_across(left):.1f},{_down(up):.1f}" for left, up in places)
        color = _color(groups, name)
        if len(set(places)) > 1:
            yield f'<polyline fill="none" stroke="{color}" stroke-width="2" points="{points}"/>'
        else:
            left, up = places[0]
            yield f'<circle cx="{_across(left):.1f}" cy="{_down(up):.1f}" r="3" fill="{color}"/>'


def _points(chart: Chart, groups: Groups, x: Axis, y: Axis) -> Iterator[str]:
    for name, rows in groups.items():
        for row in rows:
            left, up = _across(x.place(row[chart.x.field])), _down(y.place(row[chart.y.field]))
            color = _color(groups, name)
            yield f'<circle cx="{left:.1f}" cy="{up:.1f}" r="3.2" fill="{color}" fill-opacity="0.75">'
            yield f"{_tooltip(chart, row)}</circle>"


def _bars(chart: Chart, groups: Groups, x: Axis, y: Axis) -> Iterator[str]:
    if bool(x.band) == bool(y.band):
        raise NotDrawnError("bars that are not along one axis of things and one of numbers")
    is_upright = bool(x.band)
    things, numbers = (chart.x, chart.y) if is_upright else (chart.y, chart.x)
    if numbers.type != "quantitative":
        raise NotDrawnError("bars over times")
    along, length = (x, y) if is_upright else (y, x)
    for (name, _), (row, begin, end) in _stacked(groups, things.field, numbers.field).items():
        middle, half = along.place(row[things.field]), along.band * 0.4
        box = _box((middle - half, middle + half), (length.place(begin), length.place(end)), is_upright=is_upright)
        yield f'<rect {box} fill="{_color(groups, name)}">{_tooltip(chart, row)}</rect>'


def _box(along: tuple[float, float], length: tuple[float, float], *, is_upright: bool) -> str:
    """The attributes of a bar, by where it begins and ends along both axes."""
    across, down = (along, length) if is_upright else (length, along)
    left, right = sorted(map(_across, across))
    top, bottom = sorted(map(_down, down))
    return f'x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}"'


def _tooltip(chart: Chart, row: Mapping[str, object]) -> str:
    channels = (chart.x, chart.y, *((chart.color,) if chart.color else ()))
    return element("title", escaped(", ".join(f"{each.field}: {shown(row[each.field])}" for each in channels)))


def _legend(chart: Chart, groups: Groups) -> Iterator[str]:
    if chart.color is None:
        return
    ends: Callable[[str], float] = lambda name: 22 + 6.2 * len(_cut(name, 14))  # noqa: E731
    names = list(groups)[: len(COLORS)]
    starts = [0.0]
    for name in names:
        starts.append(starts[-1] + ends(name))
    left = max(WIDTH - RIGHT - starts[-1], LEFT + 7.5 * len(chart.title))
    for name, (start, _) in zip(names, pairwise(starts), strict=True):
        yield f'<rect x="{left + start:.1f}" y="7" width="10" height="10" rx="2" fill="{_color(groups, name)}"/>'
        yield _label(_cut(name, 14), left + start + 14, 16, "start")
