"""Pictures of a flow: its graph as lines of text and as SVG; pure functions of a `Graph`."""

from metaflow_hera.drawing.svg import StepState, to_svg
from metaflow_hera.drawing.text import to_text

__all__ = ["StepState", "to_svg", "to_text"]
