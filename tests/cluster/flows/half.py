from metaflow_hera import FlowSpec, Parameter, current, step


class HalfFlow(FlowSpec):
    """Some items of a foreach fail, unless their run resumes another; one is half done by then."""

    text = Parameter("text", default="{{workflow.name}} {{=1+1}} $(HOME) 'ü'")

    @step
    def start(self):
        self.items = list(range(20))
        self.next(self.prepare, foreach="items")

    @step
    def prepare(self):
        if self.index == 3 and current.origin_run_id is None:
            raise ValueError("the first half fails")
        self.value = self.input
        self.next(self.work)

    @step
    def work(self):
        if self.index in (9, 10) and current.origin_run_id is None:
            raise ValueError("the second half fails")
        self.value *= 2
        self.origin = current.origin_run_id
        self.next(self.join)

    @step
    def join(self, inputs):
        self.values = [each.value for each in inputs]
        self.origins = [each.origin for each in inputs]
        self.next(self.end)

    @step
    def end(self):
        print(self.text)


if __name__ == "__main__":
    HalfFlow()
