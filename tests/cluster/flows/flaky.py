from metaflow_hera import FlowSpec, Parameter, current, retry, step


class FlakyFlow(FlowSpec):
    """A foreach in which every third item fails in its first attempt."""

    width = Parameter("width", default=20)

    @step
    def start(self):
        self.items = [item * 10 for item in range(self.width)]
        self.next(self.work, foreach="items")

    @retry(times=2, minutes_between_retries=0)
    @step
    def work(self):
        print(f"item {self.index} attempt {current.retry_count}", flush=True)
        if self.index % 3 == 0 and current.retry_count == 0:
            raise ValueError(f"item {self.index} fails at first")
        self.result = (self.index, self.input, current.retry_count)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [branch.result for branch in inputs]
        self.next(self.end)

    @step
    def end(self):
        print("total", len(self.results))


if __name__ == "__main__":
    FlakyFlow()
