from metaflow import FlowSpec, Parameter, step


class BaseFlow(FlowSpec):
    """What the flows of a team have in common."""

    verbose = Parameter("verbose", default=True)
    TEAM = "data"

    @step
    def start(self):
        self.configured = self.setting()
        self.next(self.work)

    @step
    def end(self):
        self.report = (self.TEAM, self.verbose, self.configured, self.worked)

    def setting(self):
        return "base"


class SettingMixin:
    def setting(self):
        return "mixin"
