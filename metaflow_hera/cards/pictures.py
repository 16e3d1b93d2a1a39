"""The components of cards that are pictures: images, and charts as Vega-Lite describes them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any, Self

from metaflow_hera.cards.chart import NotDrawnError, to_svg
from metaflow_hera.cards.component import MetaflowCardComponent
from metaflow_hera.cards.markup import element, escaped
from metaflow_hera.cards.values import brief
from metaflow_hera.cards.viewers import json_text

_SIGNATURES = (
    (b"\x89PNG\r\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"<svg", "svg+xml"),
    (b"<?xml", "svg+xml"),
)


class Image(MetaflowCardComponent):
    """A picture: its bytes in PNG, JPEG, GIF, WebP, BMP or SVG."""

    def __init__(self, src: bytes | str | None = None, label: str | None = None, disable_updates: bool = True) -> None:
        self.src, self.label = src, label

    @classmethod
    def from_pil_image(cls, pilimage: Any, label: str | None = None, disable_updates: bool = True) -> Self:
        """Of an image of Pillow, as PNG."""
        return cls(_png_of(pilimage), label)

    @classmethod
    def from_matplotlib(cls, plot: Any, label: str | None = None, disable_updates: bool = True) -> Self:
        """Of a figure of matplotlib, or of axes in one, as PNG."""
        return cls(_figure(plot), label)

    def update(self, image: Any, label: str | None = None) -> None:  # type: ignore[override]
        """Show other bytes, or another picture of Pillow or matplotlib."""
        is_ready = isinstance(image, bytes | bytearray | memoryview | str)
        self.src = image if is_ready else _figure(image) if hasattr(image, "savefig") else _png_of(image)
        self.label = self.label if label is None else label

    def render(self) -> str:
        label = element("figcaption", escaped(self.label)) if self.label else ""
        alt = escaped(self.label or "")
        return element("figure", f'<img alt="{alt}" src="{escaped(_data_uri(self.src))}">', label)


def _png_of(picture: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def _figure(plot: Any) -> bytes:
    figure = plot if hasattr(plot, "savefig") else plot.get_figure()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    return buffer.getvalue()


def _data_uri(source: object) -> str:
    if isinstance(source, str) and source.startswith("data:image/"):
        return source
    if not isinstance(source, bytes | bytearray | memoryview):
        raise TypeError(f"a picture is given as its bytes, not as {brief(source)}")
    data = bytes(source)
    kind = "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""
    kind = kind or next((name for signature, name in _SIGNATURES if data.lstrip()[:6].startswith(signature)), "")
    if not kind:
        raise ValueError(f"these {len(data)} bytes are no picture in PNG, JPEG, GIF, WebP, BMP or SVG")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


class VegaChart(MetaflowCardComponent):
    """A chart as Vega-Lite describes it: drawn if it is lines, bars or points over its own data, else shown as JSON.

    A card fetches nothing, so there is no library in it that could draw all of Vega-Lite.
    """

    def __init__(self, spec: Mapping[str, Any], show_controls: bool = False) -> None:
        self.spec, self.show_controls = spec, show_controls

    @classmethod
    def from_altair_chart(cls, altair_chart: Any) -> Self:
        return cls(altair_chart.to_dict())

    def update(self, spec: Mapping[str, Any]) -> None:  # type: ignore[override]
        self.spec = spec

    def render(self) -> str:
        try:
            drawn, note = to_svg(self.spec), ""
        except NotDrawnError as error:
            note = f"This chart has something that cards do not draw ({error}); this is its specification:"
            return element("div", element("p", escaped(note), class_="note"), _json_block(self.spec))
        source = element("details", element("summary", "specification"), _json_block(self.spec))
        return element("figure", drawn, source if self.show_controls else "")


def _json_block(value: object) -> str:
    return element("pre", escaped(json_text(value)))
