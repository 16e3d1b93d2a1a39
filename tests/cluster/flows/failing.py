from metaflow_hera import FlowSpec, Parameter, current, step


class FailingFlow(FlowSpec):
    """Fails in every attempt below the one that is asked for: Argo's own retry has to bring it there."""

    succeeds_at = Parameter("succeeds_at", default=1)

    @step
    def start(self):
        self.before = "kept"
        self.next(self.shaky)

    @step
    def shaky(self):
        self.seen = current.retry_count
        print("attempt", current.retry_count, flush=True)
        if current.retry_count < self.succeeds_at:
            raise RuntimeError(f"attempt {current.retry_count} fails")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    FailingFlow()
