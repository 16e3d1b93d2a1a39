from common import BaseFlow, SettingMixin
from metaflow import step


class InheritedFlow(SettingMixin, BaseFlow):
    @step
    def work(self):
        self.worked = self.name
        self.next(self.end)


if __name__ == "__main__":
    InheritedFlow()
