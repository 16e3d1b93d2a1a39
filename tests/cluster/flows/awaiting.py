from metaflow_hera import FlowSpec, JSONType, Parameter, current, schedule, step, trigger, trigger_on_finish


@schedule(cron="0 10 * * ? *", timezone="Europe/Berlin", concurrency_policy="Forbid", starting_deadline=60)
@trigger(event={"name": "data.new", "parameters": {"Text": "text", "Number": "number", "document": "document"}})
@trigger_on_finish(flow="fraud.prod.Up", options={"reset_at": {"cron": "0 0 * * *"}})
class AwaitingFlow(FlowSpec):
    """Keeps what events give it."""

    Text = Parameter("Text", default="d")
    Number = Parameter("Number", default=1)
    document = Parameter("document", type=JSONType, default={})
    rest = Parameter("rest", default="as it was")

    @step
    def start(self):
        self.got = [self.Text, self.Number, self.document, self.rest]
        self.causes = [(event.name, event.id, event.type) for event in current.trigger]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    AwaitingFlow()
