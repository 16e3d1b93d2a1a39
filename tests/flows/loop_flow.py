"""A step that repeats itself: by a text, then by a truth value with two ways on; what it leaves is carried on."""

from metaflow_hera import FlowSpec, step


class LoopFlow(FlowSpec):
    @step
    def start(self):
        self.trace = []
        self.rounds = 0
        self.next(self.poll)

    @step
    def poll(self):
        self.rounds += 1
        self.trace.append(self.rounds)
        self.state = "done" if self.rounds == 3 else "again"
        self.next({"again": self.poll, "done": self.refine}, condition="state")

    @step
    def refine(self):
        self.error = 8 / 2 ** len(self.trace)
        self.trace.append(self.error)
        self.verdict = 0 if self.error > 0.3 else 1
        self.next({0: self.refine, 1: self.good, 2: self.end}, condition="verdict")

    @step
    def good(self):
        self.trace.append("good")
        self.next(self.end)

    @step
    def end(self):
        self.length = len(self.trace)


if __name__ == "__main__":
    LoopFlow()
