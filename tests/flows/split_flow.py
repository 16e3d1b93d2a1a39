"""Two branches and their join, by name, by index and by iteration."""

from metaflow_hera import FlowSpec, step


class SplitFlow(FlowSpec):
    @step
    def start(self):
        self.base = 10
        self.next(self.left, self.right)

    @step
    def left(self):
        self.value = self.base + 1
        self.next(self.join)

    @step
    def right(self):
        self.value = self.base + 2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.named = (inputs.left.value, inputs.right.value)
        self.indexed = inputs[0].value - inputs[1].value
        self.values = [i.value for i in inputs]
        self.width = len(inputs)
        self.next(self.end)

    @step
    def end(self):
        self.total = sum(self.values)


if __name__ == "__main__":
    SplitFlow()
