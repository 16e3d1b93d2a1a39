import os

from metaflow import FlowSpec, current, step


class DebugFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.a, self.b)

    @step
    def a(self):
        self.x = 1
        self.next(self.join)

    @step
    def b(self):
        self.x = int(os.environ.get("NUMBER_OF_B", "2fail"))
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(input.x for input in inputs)
        self.next(self.end)

    @step
    def end(self):
        self.origin = current.origin_run_id
        print("value is", self.total)


if __name__ == "__main__":
    DebugFlow()
