"""Ends in every way, and calls functions when it has."""

import os
import time

from metaflow_hera import FlowSpec, Parameter, exit_hook, kubernetes, step


def well(run):
    print("well", run.pathspec, run.successful, run.data.how)


def badly(run):
    print("badly", run.pathspec, run.finished, run.successful)


def breaking():
    raise ValueError("the hook broke")


def elsewhere(run):
    print("elsewhere", run.successful, os.environ["MFHERA_S3_ENDPOINT_URL"])


@exit_hook(on_success=[breaking, well], on_error=[breaking, badly])
@exit_hook(on_success=[elsewhere], on_error=["elsewhere"], options={"image": "python:3.11"})
class EndingFlow(FlowSpec):
    """Ends *somehow*: {{workflow.name}}."""

    how = Parameter("how", default="well")

    @kubernetes(cpu=0.1, memory=200, disk=10, qos="guaranteed")
    @step
    def start(self):
        if self.how == "fails":
            raise OSError("the step broke")
        if self.how == "sleeps":
            time.sleep(300)
        if self.how == "is-killed":
            os.kill(os.getpid(), 9)
        if self.how == "eats":
            print(len(b"x" * 10**9))
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    EndingFlow()
