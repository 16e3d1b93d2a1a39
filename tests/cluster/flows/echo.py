from metaflow_hera import FlowSpec, Parameter, step


class EchoFlow(FlowSpec):
    """Keeps what it is given."""

    text = Parameter("text")
    empty = Parameter("empty", default="something")

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        print(repr(self.text))


if __name__ == "__main__":
    EchoFlow()
