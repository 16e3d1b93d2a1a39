"""Branches of switches with a foreach and with a split in them: one that is taken and one that is left out, of each."""

from metaflow_hera import FlowSpec, step


class ForeachInSwitchFlow(FlowSpec):
    @step
    def start(self):
        self.ways = ["wide", "forked", "plain"]
        self.next(self.choose, foreach="ways")

    @step
    def choose(self):
        self.way = self.input
        self.next({"wide": self.spread, "forked": self.fork, "plain": self.meet}, condition="way")

    @step
    def spread(self):
        self.parts = range(3)
        self.next(self.part, foreach="parts")

    @step
    def part(self):
        self.value = (self.way, self.input, [item for _, _, item in self.foreach_stack()])
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.result = [i.value for i in inputs]
        self.next(self.meet)

    @step
    def fork(self):
        self.next(self.left, self.right)

    @step
    def left(self):
        self.value = "left"
        self.next(self.both)

    @step
    def right(self):
        self.value = "right"
        self.next(self.both)

    @step
    def both(self, inputs):
        self.result = [inputs.left.value, inputs.right.value]
        self.next(self.meet)

    @step
    def meet(self):
        self.result = getattr(self, "result", "nothing")
        self.inside = (self.index, self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [(i.inside, i.result) for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.count = len(self.results)


if __name__ == "__main__":
    ForeachInSwitchFlow()
