"""Parameters of every type, and constants of the class."""

from metaflow_hera import FlowSpec, JSONType, Parameter, current, step


def of_context(context):
    return f"{context.flow_name} {context.parameter_name}"


class ParametersFlow(FlowSpec):
    text = Parameter("text", default="quotes \" ' $(HOME) `id` {{workflow.name}} \n ünïcode")
    number = Parameter("number", default=7, help="A whole number")
    fraction = Parameter("fraction", default=0.1)
    flag = Parameter("flag", default=True)
    data = Parameter("data", type=JSONType, default='{"a": [1, null, "x"]}')
    parts = Parameter("parts", separator=",", default="a,b,c")
    nothing = Parameter("nothing", type=int)
    renamed = Parameter("other-name", default="")
    computed = Parameter("computed", default=of_context)

    FACTOR = 3
    TABLE = {"key": [1, 2]}  # noqa: RUF012  (a constant that can be changed in place is what is tried)
    _private = "no artifact"

    @step
    def start(self):
        self.values = [self.text, self.number, self.fraction, self.flag, self.data, self.parts, self.nothing]
        self.others = [self.renamed, self.computed, self.FACTOR, self.TABLE]
        self.next(self.left, self.right)

    @step
    def left(self):
        self.product = self.number * self.FACTOR
        self.next(self.join)

    @step
    def right(self):
        self.product = self.fraction * self.FACTOR
        self.next(self.join)

    @step
    def join(self, inputs):
        self.products = [i.product for i in inputs]
        self.merge_artifacts(inputs, exclude=["product"])
        self.still = (self.number, inputs.left.number, self.FACTOR)
        self.next(self.end)

    @step
    def end(self):
        self.names = sorted(current.parameter_names)
        try:
            self.number = 8
        except AttributeError:
            self.is_read_only = True


if __name__ == "__main__":
    ParametersFlow()
