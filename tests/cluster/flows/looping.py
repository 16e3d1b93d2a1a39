from metaflow_hera import FlowSpec, current, retry, step


class LoopingFlow(FlowSpec):
    """Twenty iterations in one pod, of which one fails once."""

    @step
    def start(self):
        self.count = 0
        self.next(self.again)

    @retry(times=1, minutes_between_retries=0)
    @step
    def again(self):
        print("iteration", self.count)
        if self.count == 12 and current.retry_count == 0:
            raise RuntimeError("the first attempt of this one fails")
        self.count += 1
        self.goes_on = self.count < 20
        self.next({True: self.again, False: self.end}, condition="goes_on")

    @step
    def end(self):
        pass


if __name__ == "__main__":
    LoopingFlow()
