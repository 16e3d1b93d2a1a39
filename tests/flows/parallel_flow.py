"""A gang of tasks that run at the same time, whose number is known when it starts; and one in a foreach."""

from metaflow_hera import FlowSpec, current, parallel, step


class ParallelFlow(FlowSpec):
    @step
    def start(self):
        self.size = 3
        self.next(self.work, num_parallel=self.size)

    @parallel
    @step
    def work(self):
        self.node = (self.index, self.input, current.parallel.node_index, current.parallel.num_nodes)
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.nodes = [i.node for i in inputs]
        self.next(self.spread)

    @step
    def spread(self):
        self.sizes = [1, 2]
        self.next(self.choose, foreach="sizes")

    @step
    def choose(self):
        self.next(self.pair, num_parallel=self.input)

    @parallel
    @step
    def pair(self):
        self.node = [item for _, _, item in self.foreach_stack()]
        self.next(self.together)

    @step
    def together(self, inputs):
        self.pairs = [i.node for i in inputs]
        self.next(self.join)

    @step
    def join(self, inputs):
        self.pairs = [i.pairs for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ParallelFlow()
