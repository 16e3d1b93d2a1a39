from metaflow import FlowSpec, step


class CustomEndsFlow(FlowSpec):
    @step(start=True)
    def prepare(self):
        self.items = "ab"
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.letter = self.input.upper()
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.letters = "".join(input.letter for input in inputs)
        self.next(self.finish)

    @step(end=True)
    def finish(self):
        pass


if __name__ == "__main__":
    CustomEndsFlow()
