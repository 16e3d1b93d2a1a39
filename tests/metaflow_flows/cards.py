from metaflow import FlowSpec, card, current, step
from metaflow.cards import Artifact, Image, Markdown, ProgressBar, Table, VegaChart, get_cards

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001"
    "5ef3b4a80000000049454e44ae426082"
)


class CardFlow(FlowSpec):
    @card(type="blank", id="report")
    @card
    @step
    def start(self):
        self.data = {"a": 1}
        report = current.card["report"]
        report.append(Markdown("# Report for %s" % current.run_id))
        report.append(Table([[Markdown("**x**"), Artifact(self.data)]], headers=["what", "value"]))
        report.append(Image(PIXEL, "A pixel"))
        report.append(VegaChart({"mark": "bar", "data": {"values": [{"a": 1}]}, "encoding": {"x": {"field": "a"}}}))
        bar = ProgressBar(max=3, label="done")
        report.append(bar)
        for number in range(3):
            bar.update(number + 1)
            report.refresh()
        self.next(self.end)

    @step
    def end(self):
        cards = get_cards("%s/%s/start/%s" % (current.flow_name, current.run_id, "0"))
        self.count = len(cards)
        self.has_report = any("Report for" in card.get() for card in cards)


if __name__ == "__main__":
    CardFlow()
