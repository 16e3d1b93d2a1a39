"""A split inside of a foreach."""

from metaflow_hera import FlowSpec, step


class SplitInForeachFlow(FlowSpec):
    @step
    def start(self):
        self.words = ["one", "three"]
        self.next(self.prepare, foreach="words")

    @step
    def prepare(self):
        self.word = self.input.upper()
        self.next(self.length, self.reverse)

    @step
    def length(self):
        self.result = len(self.word)
        self.next(self.both)

    @step
    def reverse(self):
        self.result = self.word[::-1]
        self.next(self.both)

    @step
    def both(self, inputs):
        self.pair = (self.index, inputs.length.result, inputs.reverse.result)
        self.next(self.collect)

    @step
    def collect(self, inputs):
        self.pairs = [i.pair for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SplitInForeachFlow()
