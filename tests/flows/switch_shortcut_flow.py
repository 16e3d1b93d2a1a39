"""A switch that may begin a row of steps anywhere, and one that may leave a branch out."""

from metaflow_hera import FlowSpec, step


class SwitchShortcutFlow(FlowSpec):
    @step
    def start(self):
        self.first = [0, 1, 2, 3]
        self.next(self.begin, foreach="first")

    @step
    def begin(self):
        self.trace = [self.input]
        self.at = self.input
        self.next({0: self.one, 1: self.two, 2: self.three, 3: self.finish}, condition="at")

    @step
    def one(self):
        self.trace.append("one")
        self.next(self.two)

    @step
    def two(self):
        self.trace.append("two")
        self.next(self.three)

    @step
    def three(self):
        self.trace.append("three")
        self.next(self.finish)

    @step
    def finish(self):
        self.trace.append("finish")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.traces = [i.trace for i in inputs]
        self.next(self.look)

    @step
    def look(self):
        self.is_done = True
        self.next({True: self.end, False: self.repair}, condition="is_done")

    @step
    def repair(self):
        self.next(self.end)

    @step
    def end(self):
        self.count = len(self.traces)


if __name__ == "__main__":
    SwitchShortcutFlow()
