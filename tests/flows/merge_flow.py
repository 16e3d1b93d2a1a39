"""A join that merges artifacts: the same in all branches, of one branch alone, set before, and left out."""

from metaflow_hera import FlowSpec, step


class MergeFlow(FlowSpec):
    @step
    def start(self):
        self.shared = list(range(100))
        self.next(self.a, self.b)

    @step
    def a(self):
        self.only_a = "a"
        self.different = 1
        self.ignored = "x"
        self.next(self.join)

    @step
    def b(self):
        self.only_b = "b"
        self.different = 2
        self.ignored = "y"
        self.next(self.join)

    @step
    def join(self, inputs):
        self.different = max(i.different for i in inputs)
        self.merge_artifacts(inputs, exclude=["ignored"])
        self.shared.append("changed")
        self.next(self.end)

    @step
    def end(self):
        self.names = [name for name in ("shared", "only_a", "only_b", "different", "ignored") if hasattr(self, name)]
        self.last = self.shared[-1]


if __name__ == "__main__":
    MergeFlow()
