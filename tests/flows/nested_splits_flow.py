"""A split in a branch of a split; the other branch has two steps."""

from metaflow_hera import FlowSpec, step


class NestedSplitsFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.outer, self.long)

    @step
    def outer(self):
        self.next(self.inner_a, self.inner_b)

    @step
    def inner_a(self):
        self.found = "a"
        self.next(self.inner_join)

    @step
    def inner_b(self):
        self.found = "b"
        self.next(self.inner_join)

    @step
    def inner_join(self, inputs):
        self.found = "".join(i.found for i in inputs)
        self.next(self.outer_join)

    @step
    def long(self):
        self.found = "l"
        self.next(self.longer)

    @step
    def longer(self):
        self.found += "m"
        self.next(self.outer_join)

    @step
    def outer_join(self, inputs):
        self.all_found = [inputs.inner_join.found, inputs.longer.found]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    NestedSplitsFlow()
