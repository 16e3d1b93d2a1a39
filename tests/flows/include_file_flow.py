"""Files whose contents are parameters: texts in two encodings, parsed ones, bytes, and none."""

import csv
from pathlib import Path

from metaflow_hera import FlowSpec, IncludeFile, step

HERE = Path(__file__).parent


def rows(text):
    return list(csv.reader(text.splitlines()))


class IncludeFileFlow(FlowSpec):
    text = IncludeFile("text", default=str(HERE / "include_file_flow.csv"), help="A table")
    table = IncludeFile("table", default=lambda context: str(HERE / "include_file_flow.csv"), parser=rows)
    parsed = IncludeFile("parsed-json", default=str(HERE / "config_flow.json"), parser="json.loads")
    other = IncludeFile("other", default=str(HERE / "include_file_flow.csv"), encoding="latin-1")
    raw = IncludeFile("raw", default=str(HERE / "include_file_flow.csv"), is_text=False)
    nothing = IncludeFile("nothing")

    @step
    def start(self):
        self.sizes = [len(self.text), len(self.raw), len(self.other)]
        self.next(self.end)

    @step
    def end(self):
        self.cells = self.table
        self.rate = self.parsed["rate"]
        self.types = [type(value).__name__ for value in (self.text, self.raw, self.nothing)]
        try:
            self.text = "other"
        except AttributeError:
            self.is_read_only = True


if __name__ == "__main__":
    IncludeFileFlow()
