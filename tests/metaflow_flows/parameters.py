import os
from datetime import datetime

from metaflow import FlowSpec, JSONType, Parameter, step


def deployment_info(context):
    return {"user": context.user_name, "parameter": context.parameter_name, "flow": context.flow_name}


class ParameterFlow(FlowSpec):
    alpha = Parameter("alpha", help="Learning rate", default=0.01)
    gamma = Parameter("gamma-rate", type=float, help="Another rate", required=True)
    country_title_list = Parameter("country_titles", type=JSONType, default='{"US": ["Stranger Things"]}')
    stages = Parameter("stages", separator=",", default="a,b")
    dry_run = Parameter("dry_run", type=bool, default=False)
    info = Parameter("info", type=JSONType, default=deployment_info)
    date = Parameter("date", type=str, default=datetime(2030, 1, 1).isoformat())
    nothing = Parameter("nothing", type=int)

    SCALE = 10

    @step
    def start(self):
        self.scaled = self.alpha * self.SCALE
        self.countries = sorted(self.country_title_list)
        try:
            self.alpha = 2
        except AttributeError:
            self.is_read_only = True
        self.next(self.end)

    @step
    def end(self):
        print("alpha is %f" % self.alpha, os.getpid())


if __name__ == "__main__":
    ParameterFlow()
