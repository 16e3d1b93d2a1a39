"""One step that is the start and the end."""

from metaflow_hera import FlowSpec, Parameter, step


class SingleStepFlow(FlowSpec):
    word = Parameter("word", default="only")

    @step(start=True, end=True)
    def everything(self):
        self.answer = self.word.upper()


if __name__ == "__main__":
    SingleStepFlow()
