from metaflow_hera import FlowSpec, Parameter, step


class Wide(FlowSpec):
    """A foreach of tasks that do nothing."""

    width = Parameter("width", default=200)

    @step
    def start(self):
        self.items = list(range(self.width))
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Wide()
