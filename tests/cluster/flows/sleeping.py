import time

from metaflow_hera import FlowSpec, step


class SleepingFlow(FlowSpec):
    """Long enough to be stopped."""

    @step
    def start(self):
        print("asleep", flush=True)
        time.sleep(300)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SleepingFlow()
