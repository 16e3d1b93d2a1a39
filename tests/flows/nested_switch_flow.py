"""A switch in a branch of a switch, which is left out whole where the outer one chooses otherwise."""

from metaflow_hera import FlowSpec, step


class NestedSwitchFlow(FlowSpec):
    @step
    def start(self):
        self.cases = [("a", "x"), ("a", "y"), ("b", "x")]
        self.next(self.outer, foreach="cases")

    @step
    def outer(self):
        self.first, self.second = self.input
        self.next({"a": self.inner, "b": self.other}, condition="first")

    @step
    def inner(self):
        self.next({"x": self.deep, "y": self.deeper}, condition="second")

    @step
    def deep(self):
        self.way = "deep"
        self.next(self.after_inner)

    @step
    def deeper(self):
        self.way = "deeper"
        self.next(self.still_deeper)

    @step
    def still_deeper(self):
        self.way += "st"
        self.next(self.after_inner)

    @step
    def after_inner(self):
        self.way += "!"
        self.next(self.meet)

    @step
    def other(self):
        self.way = "other"
        self.next(self.meet)

    @step
    def meet(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.ways = [i.way for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    NestedSwitchFlow()
