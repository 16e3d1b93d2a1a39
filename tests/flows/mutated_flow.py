"""Mutators of a flow, of its base and of its steps: what a step gets before it runs."""

from metaflow_hera import FlowMutator, FlowSpec, Parameter, StepMutator, environment, retry, step, user_step_decorator


@user_step_decorator
def told(step_name, flow, inputs=None, attributes=None):
    flow.told = [*getattr(flow, "told", []), (step_name, attributes["by"])]
    yield


class Plan(FlowMutator):
    """Adds a parameter, and a decorator to each step that has none."""

    def init(self, *names, by):
        self.names = names
        self.by = by

    def pre_mutate(self, mutable_flow):
        for name in self.names:
            mutable_flow.add_parameter(name, Parameter(name, default=len(name)))
        mutable_flow.remove_parameter("unwanted")

    def mutate(self, mutable_flow):
        for _, mutable_step in mutable_flow.steps:
            mutable_step.add_decorator(told, deco_kwargs={"by": self.by})


class OnceOnly(StepMutator):
    def mutate(self, mutable_step):
        for name, _, _, attributes in mutable_step.decorator_specs:
            if name == "retry" and attributes["times"] > 1:
                mutable_step.add_decorator("retry", deco_kwargs={"times": 1}, duplicates=mutable_step.OVERRIDE)


class WithOnceOnly(FlowMutator):
    """Brings another mutator, which gets turns of its own."""

    def pre_mutate(self, mutable_flow):
        for _, mutable_step in mutable_flow.steps:
            mutable_step.add_decorator(OnceOnly)


@WithOnceOnly
class MutatedBase(FlowSpec):
    unwanted = Parameter("unwanted", default=0)

    @told(by="source")
    @step
    def start(self):
        self.sizes = (self.small, self.larger)
        self.next(self.middle)


@Plan("small", "larger", by="mutator")
class MutatedFlow(MutatedBase):
    @environment(vars={"MUTATED": "yes"})
    @retry(times=4)
    @step
    def middle(self):
        self.unwanted = "an artifact now"
        self.next(self.end)

    @step
    def end(self):
        assert self.sizes == (5, 6)
        assert self.told == [("start", "source"), ("middle", "mutator"), ("end", "mutator")]


if __name__ == "__main__":
    MutatedFlow()
