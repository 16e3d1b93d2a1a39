import time

from metaflow import FlowSpec, catch, current, retry, step, timeout


class FailuresFlow(FlowSpec):
    @step
    def start(self):
        self.params = range(3)
        self.next(self.sanity_check, foreach="params")

    @catch(var="compute_failed", print_exception=False)
    @retry(times=1, minutes_between_retries=0)
    @step
    def sanity_check(self):
        self.attempt = current.retry_count
        self.div = self.input
        self.res = 10 / self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [input.res for input in inputs if not input.compute_failed]
        self.failed = [(input.div, input.compute_failed.type) for input in inputs if input.compute_failed]
        self.next(self.flaky)

    @retry(times=3, minutes_between_retries=0)
    @step
    def flaky(self):
        if current.retry_count < 2:
            raise Exception("Bad luck!")
        self.lucky = current.retry_count
        self.next(self.slow)

    @catch(print_exception=False, var="timeouted")
    @timeout(seconds=1)
    @step
    def slow(self):
        for iteration in range(100):
            self.last = iteration
            time.sleep(0.05)
        self.next(self.end)

    @step
    def end(self):
        self.was_slow = self.timeouted.type if self.timeouted else None


if __name__ == "__main__":
    FailuresFlow()
