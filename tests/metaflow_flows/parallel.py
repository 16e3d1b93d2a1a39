from metaflow import FlowSpec, current, parallel, parallel_map, step


class ParallelFlow(FlowSpec):
    @step
    def start(self):
        self.squares = parallel_map(lambda x: x * x, range(3))
        self.next(self.train, num_parallel=3)

    @parallel
    @step
    def train(self):
        self.node = (current.parallel.node_index, current.parallel.num_nodes, bool(current.parallel.main_ip))
        self.same = self.input == current.parallel.node_index
        self.next(self.join)

    @step
    def join(self, inputs):
        self.nodes = sorted(input.node for input in inputs)
        self.merge_artifacts(inputs, include=["squares"])
        self.all_same = all(input.same for input in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ParallelFlow()
