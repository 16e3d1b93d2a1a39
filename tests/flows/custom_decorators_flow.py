"""Decorators of the user's own around every kind of step: before and after, instead of it, past it, and catching."""

from metaflow_hera import (
    USER_SKIP_STEP,
    FlowSpec,
    Parameter,
    UserStepDecorator,
    current,
    retry,
    step,
    user_step_decorator,
)


def noted(flow, text):
    flow.notes = [*getattr(flow, "notes", []), text]


@user_step_decorator
def note(step_name, flow, inputs=None, attributes=None):
    text = attributes.get("text", step_name)
    noted(flow, f"{text} before {step_name} with {len(inputs) if inputs else 0}")
    yield
    noted(flow, f"{text} after {current.step_name}")


@user_step_decorator
def swallow(step_name, flow, inputs=None):
    try:
        yield
    except ValueError as error:
        flow.swallowed = str(error)


@user_step_decorator
def instead(step_name, flow, inputs=None, attributes=None):
    def other(flow, inputs):
        flow.letters = [each.letter for each in inputs]
        flow.swallowed = [getattr(each, "swallowed", None) for each in inputs]
        flow.replaced = attributes["by"]

    yield other


@user_step_decorator
def give_items(step_name, flow, inputs=None, attributes=None):
    flow.items = attributes["items"]
    yield {"foreach": "items"}


class SkipTwice(UserStepDecorator):
    def init(self, always=False):
        self.always = always

    def pre_step(self, step_name, flow, inputs=None):
        if self.always or flow.skipping:
            self.skip_step = True

    def post_step(self, step_name, flow, exception=None):
        flow.skipped = step_name
        return None, USER_SKIP_STEP


class Count(UserStepDecorator):
    def pre_step(self, step_name, flow, inputs=None):
        self.before = current.retry_count

    def post_step(self, step_name, flow, exception=None):
        flow.attempts = self.before + 1
        return exception


class CustomDecoratorsFlow(FlowSpec):
    skipping = Parameter("skipping", default=True)

    @note(text="outer")
    @note(text="inner")
    @step
    def start(self):
        noted(self, "start")
        self.next(self.split)

    @give_items(items=["b"])
    @step
    def split(self):
        self.items = []
        self.next(self.body, foreach="items")

    @swallow
    @step
    def body(self):
        self.letter = self.input
        if self.letter == "b":
            raise ValueError(f"no {self.letter}")
        self.next(self.gather)

    @note
    @instead(by="another")
    @step
    def gather(self, inputs):
        self.letters = []
        self.next(self.skipped_over)

    @SkipTwice
    @step
    def skipped_over(self):
        raise RuntimeError("this step is skipped")
        self.next(self.again)

    @retry(times=2, minutes_between_retries=0)
    @Count
    @step
    def again(self):
        if current.retry_count < 1:
            raise RuntimeError("once more")
        self.next(self.end)

    @step
    def end(self):
        assert self.skipped == "skipped_over"
        assert self.replaced == "another"
        assert self.letters == ["b"]
        assert self.swallowed == ["no b"]
        assert self.attempts == 2


if __name__ == "__main__":
    CustomDecoratorsFlow()
