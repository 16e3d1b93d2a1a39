"""A step that fails in its first attempt, and one that @retry(times=0) keeps from being tried again."""

from metaflow_hera import FlowSpec, current, retry, step


class RetryFlow(FlowSpec):
    @retry(times=0)
    @step
    def start(self):
        self.attempt_of_start = current.retry_count
        self.next(self.flaky)

    @retry(times=2, minutes_between_retries=0)
    @step
    def flaky(self):
        self.tried = current.retry_count
        if current.retry_count == 0:
            self.lost = "artifact of a failed attempt"
            raise RuntimeError("the first attempt fails")
        self.next(self.end)

    @step
    def end(self):
        self.has_lost = hasattr(self, "lost")


if __name__ == "__main__":
    RetryFlow()
