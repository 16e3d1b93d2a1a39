from metaflow import FlowSpec, step


class ForeachFlow(FlowSpec):
    @step
    def start(self):
        self.titles = ["Stranger Things", "House of Cards", "Narcos"]
        self.next(self.a, foreach="titles")

    @step
    def a(self):
        self.title = "%s processed" % self.input
        self.letters = list(self.input[:2])
        self.next(self.b, foreach="letters")

    @step
    def b(self):
        self.place = [(index, count, value) for index, count, value in self.foreach_stack()]
        self.next(self.inner)

    @step
    def inner(self, inputs):
        self.places = [input.place for input in inputs]
        self.merge_artifacts(inputs, include=["title"])
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [input.title for input in inputs]
        self.last = inputs[2].places[1]
        self.next(self.end)

    @step
    def end(self):
        print("\n".join(self.results))


if __name__ == "__main__":
    ForeachFlow()
