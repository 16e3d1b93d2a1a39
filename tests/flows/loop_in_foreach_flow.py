"""Steps that repeat themselves in a foreach: the first of the body, and the last, which leads straight to the join."""

from metaflow_hera import FlowSpec, step


class LoopInForeachFlow(FlowSpec):
    @step
    def start(self):
        self.goals = [1, 3, 2]
        self.next(self.climb, foreach="goals")

    @step
    def climb(self):
        self.height = getattr(self, "height", 0) + 1
        self.where = (self.index, self.input, self.foreach_stack())
        self.is_up = self.height >= self.input
        self.next({False: self.climb, True: self.rest}, condition="is_up")

    @step
    def rest(self):
        self.left = self.height
        self.next(self.descend)

    @step
    def descend(self):
        self.left -= 1
        self.at = "bottom" if self.left == 0 else "slope"
        self.next({"slope": self.descend, "bottom": self.join}, condition="at")

    @step
    def join(self, inputs):
        self.heights = [i.height for i in inputs]
        self.places = [i.where for i in inputs]
        self.lefts = [i.left for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.highest = max(self.heights)


if __name__ == "__main__":
    LoopInForeachFlow()
