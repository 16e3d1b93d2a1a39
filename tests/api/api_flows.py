"""Flow files for tests of the Python API, and what helps to use them."""

from __future__ import annotations

from pathlib import Path

SQUARES = """
import os

from metaflow import FlowSpec, JSONType, Parameter, step


class SquaresFlow(FlowSpec):
    numbers = Parameter("numbers", type=JSONType, default=[1, 2, 3])
    scale_by = Parameter("scale-by", default=1.0)
    secret = Parameter("secret", default="none")

    @step
    def start(self):
        print("numbers", self.numbers)
        self.where = os.getcwd()
        self.next(self.square, foreach="numbers")

    @step
    def square(self):
        self.result = self.input**2 * self.scale_by
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [each.result for each in inputs]
        self.variable = os.environ.get("SOME_VARIABLE")
        self.next(self.end)

    @step
    def end(self):
        if sum(self.results) < 0:
            raise ValueError(f"negative: {sum(self.results)}")
"""

PLAIN = """
from metaflow_hera import FlowSpec, step


class PlainFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def write_flow(folder: Path, text: str = SQUARES, name: str = "squares.py") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text)
    return file
