"""What `inherited_flow` derives from."""

from metaflow_hera import FlowSpec, Parameter, step


class Mixin:
    UNIT = "cm"

    def described(self):
        return f"{self.size} {self.UNIT}, {self.COLOUR}"

    @step
    def extra(self):
        self.from_mixin = self.described()
        self.next(self.end)


class Base(FlowSpec):
    size = Parameter("size", default=1)
    COLOUR = "red"

    @step
    def start(self):
        self.began = "in the base"
        self.next(self.work)

    @step
    def work(self):
        self.replaced = False
        self.next(self.end)

    def work_of_base(self):
        self.by_base = self.COLOUR

    @step
    def end(self):
        pass
