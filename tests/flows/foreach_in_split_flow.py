"""A foreach in one branch of a split."""

from metaflow_hera import FlowSpec, step


class ForeachInSplitFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.many, self.single)

    @step
    def many(self):
        self.parts = [3, 1, 2]
        self.next(self.part, foreach="parts")

    @step
    def part(self):
        self.value = self.input * 10
        self.next(self.join_parts)

    @step
    def join_parts(self, inputs):
        self.value = [i.value for i in inputs]
        self.next(self.join)

    @step
    def single(self):
        self.value = "single"
        self.next(self.join)

    @step
    def join(self, inputs):
        self.values = [i.value for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ForeachInSplitFlow()
