"""Cards: several on a step, with components, in a foreach, refreshed, of a type of the flow's own; artifacts beside."""

from metaflow_hera import FlowSpec, card, current, step
from metaflow_hera.cards import Markdown, MetaflowCard, ProgressBar, Table


class TotalCard(MetaflowCard):
    type = "total"

    def render(self, task):
        return f"<h1>{task.data.total}</h1>"


class CardFlow(FlowSpec):
    @card
    @card(type="blank", id="notes")
    @step
    def start(self):
        current.card["notes"].append(Markdown("# Notes"))
        self.is_kept = "notes" in current.card
        self.numbers = [1, 2, 3]
        self.next(self.square, foreach="numbers")

    @card(refresh_interval=0)
    @step
    def square(self):
        bar = ProgressBar(max=3, label="squaring")
        current.card.append(bar)
        bar.update(self.input)
        current.card.refresh({"number": self.input})
        self.squared = self.input**2
        self.next(self.join)

    @card(type="total")
    @step
    def join(self, inputs):
        self.total = sum(each.squared for each in inputs)
        self.next(self.end)

    @card
    @step
    def end(self):
        current.card.append(Table([[self.total]], headers=["total"]))


if __name__ == "__main__":
    CardFlow()
