"""Switches that lead straight to the join: of a foreach, and of a split's branch."""

from metaflow_hera import FlowSpec, step


class SwitchToJoinFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.items, self.side)

    @step
    def items(self):
        self.numbers = [1, 2, 3]
        self.next(self.item, foreach="numbers")

    @step
    def item(self):
        self.result = self.input * 10
        self.is_small = self.input < 2
        self.next({True: self.grow, False: self.collect}, condition="is_small")

    @step
    def grow(self):
        self.result += 1000
        self.next(self.collect)

    @step
    def collect(self, inputs):
        self.results = [i.result for i in inputs]
        self.ends = repr(inputs)
        self.next(self.join)

    @step
    def side(self):
        self.results = ["side"]
        self.kind = "done"
        self.next({"again": self.more, "done": self.join}, condition="kind")

    @step
    def more(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [i.results for i in inputs]
        self.ends = repr(inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SwitchToJoinFlow()
