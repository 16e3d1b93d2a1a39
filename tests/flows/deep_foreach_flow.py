"""Three levels of foreach."""

from metaflow_hera import FlowSpec, step


class DeepForeachFlow(FlowSpec):
    @step
    def start(self):
        self.xs = "ab"
        self.next(self.one, foreach="xs")

    @step
    def one(self):
        self.ys = [1, 2]
        self.next(self.two, foreach="ys")

    @step
    def two(self):
        self.zs = (True, False)
        self.next(self.three, foreach="zs")

    @step
    def three(self):
        self.path = [(index, item) for index, _, item in self.foreach_stack()]
        self.next(self.join_three)

    @step
    def join_three(self, inputs):
        self.paths = [i.path for i in inputs]
        self.next(self.join_two)

    @step
    def join_two(self, inputs):
        self.paths = [path for i in inputs for path in i.paths]
        self.next(self.join_one)

    @step
    def join_one(self, inputs):
        self.paths = [path for i in inputs for path in i.paths]
        self.next(self.end)

    @step
    def end(self):
        self.count = len(self.paths)


if __name__ == "__main__":
    DeepForeachFlow()
