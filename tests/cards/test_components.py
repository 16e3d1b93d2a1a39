"""The components of cards, one by one: what they show, and that they show it as text."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera.cards import (
    Artifact,
    Error,
    EventsTimeline,
    Image,
    JSONViewer,
    Markdown,
    MetaflowCardComponent,
    ProgressBar,
    PythonCode,
    Table,
    ValueBox,
    VegaChart,
    YAMLViewer,
)
from metaflow_hera.cards.components import rendered

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def of_text(text: str) -> Iterator[MetaflowCardComponent]:
    """Every component, with a text wherever it takes one."""
    timeline = EventsTimeline(title=text)
    timeline.update({text: text}, payloads={"a": Markdown(text)}, style_theme=text)
    yield timeline
    yield from (Markdown(text), Artifact(text, name=text), Error(ValueError(text), title=text), Table([[text]], [text]))
    yield from (Image(PNG, label=text), ProgressBar(label=text, unit=text, metadata=text), PythonCode(code_string=text))
    yield ValueBox(title=text, value=text, subtitle=text, theme=text, change_indicator=text)
    yield from (JSONViewer({text: text}, title=text, max_height=text), YAMLViewer({text: [text]}), JSONViewer(text))
    yield VegaChart({"mark": text, text: text})
    yield VegaChart(chart([{"a": text, "b": 1}], x={"type": "nominal", "title": text}, title=text))


def chart(
    rows: list[dict[str, Any]], *, mark: Any = "bar", x: Any = None, y: Any = None, **more: Any
) -> dict[str, Any]:
    return {
        "mark": mark,
        "data": {"values": rows},
        "encoding": {
            "x": {"field": "a", "type": "nominal", **(x or {})},
            "y": {"field": "b", "type": "quantitative", **(y or {})},
            **more.pop("encoding", {}),
        },
        **more,
    }


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</pre></style><b>"]
)
def test_whatever_is_given_is_shown_as_text(hostile: str) -> None:
    for component in of_text(hostile):
        html = rendered(component)

        assert hostile not in html
        assert "<script" not in html and "<img src=x" not in html and "</style" not in html
        assert " cannot be shown" not in html


@given(st.text(max_size=30))
def test_any_text_can_be_given_to_any_component(text: str) -> None:
    assert all(" cannot be shown" not in rendered(component) for component in of_text(text))


def test_a_table_holds_values_and_components() -> None:
    html = Table([[1, 0.1 + 0.2, None], ["a", ValueBox("t", 3), True]], headers=["x", "y", "z"]).render()

    assert "<th>x</th>" in html
    assert '<td class="right">0.3</td>' in html
    assert "<td>None</td>" in html
    assert '<div class="valuebox">' in html


class Frame:
    """As much of a data frame as a table needs: that of pandas, or that of polars."""

    def __init__(self, rows: list[tuple[object, ...]], *, is_pandas: bool) -> None:
        self.columns = ["a", "b"]
        self.index = SimpleNamespace(name=None)
        self._rows = rows
        self._is_pandas = is_pandas
        if is_pandas:
            self.itertuples: Callable[..., Any] = lambda index, name: [(n, *row) for n, row in enumerate(rows)]

    def __len__(self) -> int:
        return len(self._rows)

    def head(self, count: int) -> Self:
        return type(self)(self._rows[:count], is_pandas=self._is_pandas)

    def rows(self) -> list[tuple[object, ...]]:
        return self._rows


@pytest.mark.parametrize("is_pandas", [True, False])
def test_a_data_frame_is_a_table_of_its_first_rows(is_pandas: bool) -> None:
    frame = Frame([(n, str(n)) for n in range(500)], is_pandas=is_pandas)

    html = Table.from_dataframe(frame).render()

    assert html.count("<tr>") == 101
    assert "100 of 500 rows" in html
    assert ("<th></th><th>a</th>" in html) is is_pandas
    assert Table.from_dataframe(frame, truncate=False).render().count("<tr>") == 501


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        *((PNG, "png"), (b"\xff\xd8\xff\xe0", "jpeg"), (b"GIF89a", "gif"), (b"<svg xmlns=''/>", "svg+xml")),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
    ],
)
def test_an_image_lies_in_the_page(data: bytes, kind: str) -> None:
    html = Image(data, label="A picture").render()

    assert f'src="data:image/{kind};base64,{base64.b64encode(data).decode()}"' in html
    assert "<figcaption>A picture</figcaption>" in html


@pytest.mark.parametrize(
    ("source", "told"), [(b"no picture", "10 bytes are no picture"), ("https://x/y.png", "its bytes")]
)
def test_what_is_no_image_is_told_in_its_place(source: Any, told: str) -> None:
    assert told in rendered(Image(source))


def test_pictures_of_other_libraries_become_png() -> None:
    pillow = SimpleNamespace(save=lambda file, **_: file.write(PNG))
    figure = SimpleNamespace(savefig=lambda file, **_: file.write(PNG))
    axes = SimpleNamespace(get_figure=lambda: figure)

    image = Image.from_pil_image(pillow)
    assert image.src == Image.from_matplotlib(figure).src == Image.from_matplotlib(axes).src == PNG
    for other in (figure, pillow, PNG):
        image.src = None
        image.update(other)
        assert image.src == PNG


@pytest.mark.parametrize("mark", ["bar", "line", "point", {"type": "circle", "tooltip": True}])
def test_simple_charts_are_drawn(mark: Any) -> None:
    color = {"color": {"field": "k", "type": "nominal"}, "tooltip": [{"field": "a"}], "opacity": {"value": 0.5}}
    rows = [{"a": a, "b": b, "k": k} for a, b in zip("xyz", (3, -1, 2), strict=True) for k in ("one", "two")]

    html = VegaChart(chart(rows, mark=mark, title="Sums", encoding=color)).render()

    assert html.startswith("<figure><svg")
    assert ">Sums</text>" in html and ">two</text>" in html
    assert html.count("<rect") == 8 if mark == "bar" else "<rect" in html
    assert html.count("<polyline") == (2 if mark == "line" else 0)
    assert html.count("<circle") == (6 if mark not in ("bar", "line") else 0)


def test_times_and_altairs_data_sets_are_drawn() -> None:
    rows = [{"a": f"2030-01-{day:02d}", "b": day} for day in range(1, 9)]
    spec = chart([], mark="line", x={"type": "temporal"}, datasets={"d": rows})
    spec["data"] = {"name": "d"}

    html = VegaChart.from_altair_chart(SimpleNamespace(to_dict=lambda: spec)).render()

    assert ">2030-01-01</text>" in html


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (chart([{"a": 1, "b": 2}], y={"aggregate": "mean"}), "encoding.y.aggregate"),
        (chart([{"a": 1, "b": 2}], mark="arc"), "mark &#x27;arc&#x27;"),
        (chart([{"a": 1, "b": 2}], layer=[]), "layer"),
        (chart([]), "data without rows"),
        ({"marks": [], "data": []}, "marks"),
        (chart([{"a": 1, "b": float("nan")}]), "no finite number"),
        (chart([{"a": 1, "b": 1e308}, {"a": 2, "b": -1e308}], mark="point"), "Error"),
        (chart([{"a": 1, "b": 2}], encoding={"size": {"field": "b", "type": "quantitative"}}), "encoding.size"),
    ],
)
def test_other_charts_are_shown_as_their_specification_with_the_reason(spec: dict[str, Any], told: str) -> None:
    html = VegaChart(spec).render()

    assert "has something that cards do not draw" in html
    assert told in html.partition("<pre>")[0]
    assert "<svg" not in html


NUMBERS = st.one_of(st.floats(), st.integers(), st.none(), st.text(max_size=3))


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8), st.sampled_from(["line", "bar", "point"]))
def test_a_chart_of_any_data_is_drawn_or_shown(pairs: list[tuple[Any, Any]], mark: str) -> None:
    rows = [{"a": a, "b": b} for a, b in pairs]
    for kind in ("quantitative", "nominal", "temporal"):
        html = VegaChart(chart(rows, mark=mark, x={"type": kind})).render()

        assert not re.search(r'="[^"]*(nan|inf)', html)
        assert html.startswith(("<figure><svg", '<div><p class="note">'))


def test_progress_is_shown_as_far_as_it_is() -> None:
    bar = ProgressBar(max=10, label="rows", unit="k")
    bar.update(3, metadata="slow")

    assert '<progress value="3" max="10"></progress>' in bar.render()
    assert "3 / 10 k · slow" in bar.render()
    assert "<progress></progress>" in ProgressBar(max=None).render()


def test_a_timeline_keeps_its_latest_events_the_last_first() -> None:
    timeline = EventsTimeline(max_events=2)
    for number in range(3):
        timeline.update({"number": number})

    html = timeline.render()
    assert "number: 0" not in html
    assert html.index("number: 2") < html.index("number: 1")


def test_data_is_shown_as_json_or_yaml_whatever_is_in_it() -> None:
    data: dict[Any, Any] = {"a": [1, {"b": None}], "c": {1}, (1, 2): "x"}

    assert "&quot;b&quot;: null" in JSONViewer({"a": data["a"]}).render()
    assert (
        "&quot;a&quot;:\n  - 1\n  -\n    &quot;b&quot;: null\n&quot;c&quot;: &quot;{1}&quot;"
        in YAMLViewer(data).render()
    )
    data["self"] = data
    assert rendered(JSONViewer(data)).startswith("<details")
    assert " cannot be shown" not in rendered(YAMLViewer(data))


def test_code_is_that_of_a_function_or_a_text() -> None:
    assert "def chart(" in PythonCode(chart).render()
    assert "x &lt; 3" in PythonCode(code_string="x < 3").render()


def test_what_is_no_component_is_shown_as_a_value() -> None:
    assert "{&#x27;a&#x27;: 1}" in rendered({"a": 1})


def test_a_component_that_fails_is_told_in_its_place() -> None:
    class Broken(MetaflowCardComponent):
        def render(self) -> str:
            raise ValueError("<no>")

    assert "Broken cannot be shown" in rendered(Broken())
    assert "ValueError: &lt;no&gt;" in rendered(Broken())
    assert "has no render(self)" in rendered(MetaflowCardComponent())


def test_a_value_whose_text_cannot_be_had_does_not_fail_its_card() -> None:
    class Mute:
        def __repr__(self) -> str:
            raise ValueError("mute")

    assert "Mute" in rendered(Artifact(Mute()))
    assert len(rendered(Artifact("x" * 10_000))) < 1000
