"""Three ways to live with failure: try again, give up in time, and go on without the result."""

import os
import time

from metaflow_hera import FlowSpec, catch, current, environment, retry, step, timeout


class ReliabilityFlow(FlowSpec):
    """Ask three sources, of which one is flaky, one hangs and one is broken, and report what came back."""

    @step
    def start(self):
        self.next(self.flaky, self.hanging, self.broken)

    @retry(times=2, minutes_between_retries=0)
    @step
    def flaky(self):
        """Fails the first time; @retry tries again."""
        if current.retry_count == 0:
            raise ConnectionError("the source did not answer")
        self.flaky_answer = f"answered at attempt {current.retry_count}"
        self.next(self.report)

    @catch(var="hanging_failure", print_exception=False)
    @timeout(seconds=1)
    @environment(vars={"SOURCE_PATIENCE": "30"})
    @step
    def hanging(self):
        """Would take half a minute; @timeout ends it, and what it had by then is kept."""
        self.hanging_answer = "incomplete"
        time.sleep(float(os.environ["SOURCE_PATIENCE"]))
        self.hanging_answer = "complete"
        self.next(self.report)

    @catch(var="broken_failure", print_exception=False)
    @retry(times=0)
    @step
    def broken(self):
        """Always fails, and must not be tried again, not even with `--with retry`; @catch lets the flow go on."""
        self.number = int("no number")
        self.next(self.report)

    @step
    def report(self, inputs):
        """Only what went wrong in its branch is not None."""
        self.answers = {"flaky": inputs.flaky.flaky_answer, "hanging": inputs.hanging.hanging_answer}
        self.failures = {
            "hanging": inputs.hanging.hanging_failure.type,
            "broken": inputs.broken.broken_failure.exception,
        }
        self.next(self.end)

    @step
    def end(self):
        print(self.answers, self.failures)


if __name__ == "__main__":
    ReliabilityFlow()
