"""Starts when a run of OrdersFlow has succeeded, and reads what that has left."""

from metaflow_hera import Flow, FlowSpec, current, step, trigger_on_finish


@trigger_on_finish(flow="OrdersFlow")
class ReportFlow(FlowSpec):
    """Sum up the orders of the run that was the reason; started by hand, those of the latest one."""

    @step
    def start(self):
        orders = current.trigger.run if current.trigger else Flow("OrdersFlow").latest_successful_run
        self.of = orders.pathspec
        self.day, self.total = orders.data.day, sum(orders.data.amounts.values())
        self.next(self.end)

    @step
    def end(self):
        print(f"{self.day}: {self.total}")


if __name__ == "__main__":
    ReportFlow()
