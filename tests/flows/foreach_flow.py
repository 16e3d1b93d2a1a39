"""A foreach of one step: items, indexes and their order in the join."""

from metaflow_hera import FlowSpec, step


class ForeachFlow(FlowSpec):
    @step
    def start(self):
        self.items = ["x", "yy", {"z": 3}]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.got = (self.index, self.input, len(self.input))
        self.stack = self.foreach_stack()
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [i.got for i in inputs]
        self.stacks = [i.stack for i in inputs]
        self.outside = (self.index, self.input, self.foreach_stack())
        self.next(self.end)

    @step
    def end(self):
        self.has_items = hasattr(self, "items")


if __name__ == "__main__":
    ForeachFlow()
