from metaflow import FlowSpec, Parameter, step


class RecursiveFlow(FlowSpec):
    """Halve a number until it is small."""

    number = Parameter("number", default=100.0)

    @step
    def start(self):
        self.value = self.number
        self.count = 0
        self.next(self.halve)

    @step
    def halve(self):
        self.value /= 2
        self.count += 1
        self.is_small = "yes" if self.value < 1 else "no"
        self.next({"no": self.halve, "yes": self.end}, condition="is_small")

    @step
    def end(self):
        print("%d iterations" % self.count)


if __name__ == "__main__":
    RecursiveFlow()
