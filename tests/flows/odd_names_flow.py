"""Names that Argo cannot hold as they are: capitals, letters beyond ASCII, words of its expressions, underscores."""

from metaflow_hera import FlowSpec, step


class Odd_Names_Flow(FlowSpec):
    @step
    def start(self):
        self.way = ["start"]
        self.next(self.Train, self.train, self.größe, self._private, self.let)

    @step
    def Train(self):
        self.name_here = "Train"
        self.next(self.matches_)

    @step
    def train(self):
        self.name_here = "train"
        self.next(self.matches_)

    @step
    def größe(self):
        self.name_here = "größe"
        self.next(self.matches_)

    @step
    def _private(self):
        self.name_here = "_private"
        self.next(self.matches_)

    @step
    def let(self):
        self.name_here = "let"
        self.next(self.matches_)

    @step
    def matches_(self, inputs):
        self.names = [i.name_here for i in inputs]
        self.same = inputs.größe.name_here
        self.next(self.count)

    @step
    def count(self):
        self.数 = [1, 2]
        self.next(self.item, foreach="数")

    @step
    def item(self):
        self.squared = self.input**2
        self.next(self.true)

    @step
    def true(self, inputs):
        self.squares = [i.squared for i in inputs]
        self.merge_artifacts(inputs, exclude=["squared"])
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Odd_Names_Flow()
