"""A foreach in a foreach, with a different number of items in each."""

from metaflow_hera import FlowSpec, step


class NestedForeachFlow(FlowSpec):
    @step
    def start(self):
        self.rows = [1, 3]
        self.next(self.row, foreach="rows")

    @step
    def row(self):
        self.cells = list(range(self.input))
        self.next(self.cell, foreach="cells")

    @step
    def cell(self):
        self.place = [(index, count, item) for index, count, item in self.foreach_stack()]
        self.next(self.join_cells)

    @step
    def join_cells(self, inputs):
        self.places = [i.place for i in inputs]
        self.outer = (self.index, self.input)
        self.next(self.join_rows)

    @step
    def join_rows(self, inputs):
        self.table = [i.places for i in inputs]
        self.outers = [i.outer for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.count = sum(map(len, self.table))


if __name__ == "__main__":
    NestedForeachFlow()
