"""A step that takes too long, caught."""

import time

from metaflow_hera import FlowSpec, catch, step, timeout


class TimeoutFlow(FlowSpec):
    @timeout(minutes=5)
    @step
    def start(self):
        self.quick = True
        self.next(self.slow)

    @catch(var="failure", print_exception=False)
    @timeout(seconds=1)
    @step
    def slow(self):
        self.begun = True
        time.sleep(60)
        self.finished = True
        self.next(self.end)

    @step
    def end(self):
        self.kind = self.failure.type
        self.has_finished = hasattr(self, "finished")


if __name__ == "__main__":
    TimeoutFlow()
