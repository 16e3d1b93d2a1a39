"""Switches one after another, by a text, a number and a truth value; the branches meet in a step without inputs."""

from metaflow_hera import FlowSpec, Parameter, step


class SwitchFlow(FlowSpec):
    size = Parameter("size", default="large")

    @step
    def start(self):
        self.trace = ["start"]
        self.next({"small": self.quick, "large": self.careful}, condition="size")

    @step
    def quick(self):
        self.trace.append("quick")
        self.next(self.measure)

    @step
    def careful(self):
        self.trace.append("careful")
        self.next(self.more_careful)

    @step
    def more_careful(self):
        self.only_here = "more"
        self.trace.append("more_careful")
        self.next(self.measure)

    @step
    def measure(self):
        self.count = len(self.trace)
        self.trace.append("measure")
        self.next({1: self.one, 2.0: self.two, 3: self.three}, condition="count")

    @step
    def one(self):
        self.trace.append("one")
        self.next(self.check)

    @step
    def two(self):
        self.trace.append("two")
        self.next(self.check)

    @step
    def three(self):
        self.trace.append("three")
        self.next(self.check)

    @step
    def check(self):
        self.is_odd = self.count % 2 == 1
        self.trace.append("check")
        self.next({True: self.odd, False: self.end}, condition="is_odd")

    @step
    def odd(self):
        self.trace.append("odd")
        self.next(self.end)

    @step
    def end(self):
        self.trace.append("end")


if __name__ == "__main__":
    SwitchFlow()
