"""A flow of a base class in another module and a mixin with a step; it replaces a step, a parameter and a constant."""

from inherited_base import Base, Mixin

from metaflow_hera import Parameter, step


class InheritedFlow(Mixin, Base):
    size = Parameter("size", default=2)
    COLOUR = "green"

    @step
    def work(self):
        self.work_of_base()
        self.replaced = True
        self.next(self.extra)


if __name__ == "__main__":
    InheritedFlow()
