"""A start and an end of other names; the start splits, and the end follows a switch."""

from metaflow_hera import FlowSpec, step


class CustomEndsFlow(FlowSpec):
    @step(start=True)
    def open_up(self):
        self.numbers = [1, 2]
        self.next(self.work, foreach="numbers")

    @step
    def work(self):
        self.result = self.input + self.index
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.results = [i.result for i in inputs]
        self.next(self.weigh)

    @step
    def weigh(self):
        self.is_much = sum(self.results) > 100
        self.next({True: self.shrink, False: self.close_down}, condition="is_much")

    @step
    def shrink(self):
        self.next(self.close_down)

    @step(end=True)
    def close_down(self):
        self.total = sum(self.results)


if __name__ == "__main__":
    CustomEndsFlow()
