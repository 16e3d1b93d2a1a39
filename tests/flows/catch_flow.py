"""Failures that are caught, with and without @retry, in an item of a foreach; and one that did not happen."""

from metaflow_hera import FlowSpec, catch, retry, step


class CatchFlow(FlowSpec):
    @catch(var="failure", print_exception=False)
    @step
    def start(self):
        self.before = "set before the failure"
        self.next(self.spread)

    @step
    def spread(self):
        self.numbers = [2, 0]
        self.next(self.divide, foreach="numbers")

    @catch(var="failure", print_exception=False)
    @retry(times=1, minutes_between_retries=0)
    @step
    def divide(self):
        self.partial = self.input
        self.result = 10 / self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        self.partials = [i.partial for i in inputs]
        self.results = [getattr(i, "result", None) for i in inputs]
        self.failures = [i.failure and (i.failure.type, i.failure.exception) for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    CatchFlow()
