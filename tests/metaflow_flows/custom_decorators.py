import time

from metaflow import (
    USER_SKIP_STEP,
    FlowMutator,
    FlowSpec,
    Parameter,
    StepMutator,
    UserStepDecorator,
    step,
    user_step_decorator,
)


@user_step_decorator
def my_profile(step_name, flow, inputs=None, attributes=None):
    start = time.time()
    yield
    flow.profiled = getattr(flow, "profiled", []) + [(step_name, (attributes or {}).get("unit"), time.time() >= start)]


class stash(UserStepDecorator):
    def init(self, *args, **kwargs):
        self.key = kwargs["key"]

    def pre_step(self, step_name, flow, inputs=None):
        flow.stashed = self.key

    def post_step(self, step_name, flow, exception=None):
        flow.stashed += "-done"


@user_step_decorator
def skip_it(step_name, flow, inputs=None):
    flow.skipped = step_name
    yield {}


class retry_everything(StepMutator):
    def mutate(self, mutable_step):
        mutable_step.add_decorator("retry", deco_kwargs={"times": 2})


class flow_defaults(FlowMutator):
    def pre_mutate(self, mutable_flow):
        mutable_flow.add_parameter("added", Parameter("added", default="by the mutator"))

    def mutate(self, mutable_flow):
        for name, mutable_step in mutable_flow.steps:
            if name != "end":
                mutable_step.add_decorator("environment", deco_kwargs={"vars": {"FROM_MUTATOR": name}})


@flow_defaults
class DecoratedFlow(FlowSpec):
    @my_profile(unit="s")
    @stash(key="k")
    @step
    def start(self):
        import os

        self.variable = os.environ["FROM_MUTATOR"]
        self.next(self.middle)

    @skip_it
    @retry_everything
    @step
    def middle(self):
        raise RuntimeError("never runs")
        self.next(self.end)

    @step
    def end(self):
        self.all = (self.added, self.stashed, self.skipped, USER_SKIP_STEP)


if __name__ == "__main__":
    DecoratedFlow()
