from metaflow import FlowSpec, Parameter, step


class SwitchFlow(FlowSpec):
    mode = Parameter("mode", default="full")

    @step
    def start(self):
        self.quality = self.mode
        self.next({"fast": self.fast, "full": self.full, "skip": self.end}, condition="quality")

    @step
    def fast(self):
        self.result = "fast"
        self.next(self.end)

    @step
    def full(self):
        self.result = "full"
        self.is_large = True
        self.next({True: self.large, False: self.small}, condition="is_large")

    @step
    def large(self):
        self.result += "-large"
        self.next(self.end)

    @step
    def small(self):
        self.next(self.end)

    @step
    def end(self):
        self.result = getattr(self, "result", "nothing")


if __name__ == "__main__":
    SwitchFlow()
