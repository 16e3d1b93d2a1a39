from metaflow_hera import FlowSpec, Parameter, step


class Loop(FlowSpec):
    """A step that comes after itself and does nothing else."""

    times = Parameter("times", default=200)

    @step
    def start(self):
        self.count = 0
        self.next(self.again)

    @step
    def again(self):
        self.count += 1
        self.goes_on = self.count < self.times
        self.next({True: self.again, False: self.end}, condition="goes_on")

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Loop()
