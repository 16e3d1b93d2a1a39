"""A switch for each item of a foreach, whose branches meet before the join; one branch is of two steps."""

from metaflow_hera import FlowSpec, step


class SwitchInForeachFlow(FlowSpec):
    @step
    def start(self):
        self.numbers = [4, 7, 10, 3]
        self.next(self.look, foreach="numbers")

    @step
    def look(self):
        self.number = self.input
        self.kind = "even" if self.number % 2 == 0 else "odd"
        self.next({"even": self.halve, "odd": self.triple}, condition="kind")

    @step
    def halve(self):
        self.number //= 2
        self.next(self.meet)

    @step
    def triple(self):
        self.number *= 3
        self.next(self.add)

    @step
    def add(self):
        self.number += 1
        self.next(self.meet)

    @step
    def meet(self):
        self.seen = (self.index, self.input, self.kind, self.number)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.seen = [i.seen for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.total = sum(number for *_, number in self.seen)


if __name__ == "__main__":
    SwitchInForeachFlow()
