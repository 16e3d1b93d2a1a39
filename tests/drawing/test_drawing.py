"""Pictures of flows: text and SVG of a graph."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera.drawing import to_svg, to_text
from metaflow_hera.drawing.layout import GAP, lay_out
from metaflow_hera.graph.model import DecoratorSpec, End, Foreach, Graph, Linear, Split, Step, Switch, Transition

SVG = "{http://www.w3.org/2000/svg}"


def graph(*steps: Step, doc: str = "") -> Graph:
    return Graph(flow="Drawn", steps={step.name: step for step in steps}, doc=doc)


def step(name: str, transition: Transition, *, is_join: bool = False, doc: str = "", decorators: str = "") -> Step:
    specs = tuple(DecoratorSpec(name=decorator) for decorator in decorators.split())
    return Step(name=name, transition=transition, is_join=is_join, doc=doc, decorators=specs)


NESTED = graph(
    step("start", Split(("fan", "ask")), doc="Begin here.\nMore."),
    step("fan", Foreach("work", "items")),
    step("work", Linear("gather"), decorators="retry catch"),
    step("gather", Linear("join"), is_join=True),
    step("ask", Switch((("'a'", "ask"), ("'b'", "join")), "kind")),
    step("join", Linear("end"), is_join=True),
    step("end", End()),
    doc="A flow & its <shape>",
)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Graphs of any shape without cycles: more than a flow can have."""
    count = draw(st.integers(2, 14))
    names = [f"s{number}" for number in range(count)]
    steps = []
    for number, name in enumerate(names[:-1]):
        targets = draw(st.lists(st.sampled_from(names[number + 1 :]), min_size=1, max_size=4, unique=True))
        steps.append(step(name, Split(tuple(targets))))
    steps.append(step(names[-1], End()))
    return Graph(flow="Any", steps={each.name: each for each in steps}, start="s0", end=names[-1])


def test_text_shows_the_steps_in_order_with_what_follows_them() -> None:
    assert to_text(NESTED).splitlines() == [
        "Drawn: A flow & its <shape>",
        "",
        "  start       → fan, ask                                       Begin here.",
        "  ├─ fan      → work for each of items",
        "  │  ├─ work  → gather                          @retry @catch",
        "  │  gather   → join",
        "  ├─ ask      → by kind: 'a' → ask, 'b' → join",
        "  join        → end",
        "  end",
    ]


def test_svg_is_well_formed_and_names_every_step_once() -> None:
    root = ElementTree.fromstring(to_svg(NESTED))
    names = [element.text for element in root.iter(f"{SVG}text") if element.get("class") == "name"]
    assert root.tag == f"{SVG}svg"
    assert sorted(name for name in names if name) == sorted(NESTED.steps)


def test_svg_tells_a_foreach_a_switch_and_a_loop() -> None:
    root = ElementTree.fromstring(to_svg(NESTED))
    labels = {element.text for element in root.iter(f"{SVG}text") if element.get("class") == "label"}
    dashed = [element for element in root.iter(f"{SVG}path") if element.get("class") == "edge choice"]
    assert labels == {"for each of items", "'a'", "'b'"}
    assert len(dashed) == 2


def test_the_same_graph_gives_the_same_picture() -> None:
    assert to_svg(NESTED) == to_svg(NESTED)


@given(graphs())
def test_edges_lead_downwards_and_steps_of_a_layer_do_not_touch(drawn: Graph) -> None:
    widths = {name: 40.0 + 10 * number for number, name in enumerate(drawn.order)}
    layout = lay_out(drawn, widths)
    for start, end in layout.paths:
        assert layout.layer[start] < layout.layer[end]
    for row in layout.layers:
        steps = [node for node in row if isinstance(node, str)]
        for left, right in pairwise(steps):
            assert layout.x[right] - layout.x[left] >= (widths[left] + widths[right]) / 2 + GAP - 1e-6
    assert min(layout.x[name] - widths[name] / 2 for name in drawn.order) >= -1e-6
    ElementTree.fromstring(to_svg(drawn))
