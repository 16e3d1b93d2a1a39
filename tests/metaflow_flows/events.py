from metaflow import FlowSpec, environment, secrets, step, trigger_on_finish
from metaflow.integrations import ArgoEvent


@trigger_on_finish(flow="HelloFlow")
class EventFlow(FlowSpec):
    @environment(vars={"STAGE": "dev"})
    @step
    def start(self):
        import os

        self.stage = os.environ["STAGE"]
        self.published = ArgoEvent(name="finished").safe_publish(payload={"run": "this"})
        self.next(self.end)

    @step
    def end(self):
        print(secrets)


if __name__ == "__main__":
    EventFlow()
