"""An item that fails in all of its attempts, beside a branch that goes on and items that succeed at last."""

from metaflow_hera import FlowSpec, current, retry, step


class FailingItemsFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.spread, self.aside)

    @step
    def spread(self):
        self.items = ["good", "flaky", "bad"]
        self.next(self.work, foreach="items")

    @retry(times=1, minutes_between_retries=0)
    @step
    def work(self):
        if self.input == "bad" or (self.input == "flaky" and current.retry_count == 0):
            raise ValueError(f"{self.input} in attempt {current.retry_count}")
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.next(self.join)

    @step
    def aside(self):
        self.next(self.further)

    @step
    def further(self):
        self.went_on = True
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    FailingItemsFlow()
