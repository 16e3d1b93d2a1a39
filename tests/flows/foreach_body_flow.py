"""A foreach whose body has several steps; the items are of a range."""

from metaflow_hera import FlowSpec, step


class ForeachBodyFlow(FlowSpec):
    @step
    def start(self):
        self.offset = 100
        self.numbers = range(4)
        self.next(self.square, foreach="numbers")

    @step
    def square(self):
        self.result = self.input**2
        self.next(self.shift)

    @step
    def shift(self):
        self.result += self.offset
        self.seen = (self.index, self.input)
        self.next(self.collect)

    @step
    def collect(self, inputs):
        self.results = [i.result for i in inputs]
        self.seen = [i.seen for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.total = sum(self.results)


if __name__ == "__main__":
    ForeachBodyFlow()
