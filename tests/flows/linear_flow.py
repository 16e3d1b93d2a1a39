"""Steps one after another; an artifact set, changed in place, replaced and inherited."""

from metaflow_hera import FlowSpec, step


class LinearFlow(FlowSpec):
    @step
    def start(self):
        self.letters = ["a"]
        self.count = 1
        self.untouched = {"key": (1, 2.5, None)}
        self.next(self.middle)

    @step
    def middle(self):
        self.letters.append("b")
        self.count += 1
        self.next(self.end)

    @step
    def end(self):
        self.summary = ("".join(self.letters), self.count, self.untouched["key"])


if __name__ == "__main__":
    LinearFlow()
