"""Configs from a file and from values, in parameters, decorators, constants and steps."""

import os
from pathlib import Path

from metaflow_hera import Config, FlowSpec, Parameter, config_expr, current, environment, resources, retry, step

FACTOR = 10


def key_values(text):
    return dict(line.split("=", 1) for line in text.splitlines())


def of_context(context):
    return f"{context.configs.model.name} {context.configs['model']['layers']}"


class ConfigFlow(FlowSpec):
    model = Config("model", default=str(Path(__file__).with_name("config_flow.json")), help="What is trained")
    deploy_as = Config("deploy-as", default_value={"cpu": 0.5, "times": 1, "vars": {"GREETING": "héllo $HOME"}})
    lines = Config("lines", default_value="a=1\nb=two", parser=key_values)
    word = Config("word", default_value="plain", plain=True)
    absent = Config("absent")

    rate = Parameter("rate", default=model.rate)
    scaled = Parameter("scaled", default=config_expr("model.layers[0] * FACTOR"))
    computed = Parameter("computed", default=of_context)

    LAYERS = model.layers

    @environment(vars={**deploy_as.vars, "NAME": model.name})
    @retry(times=config_expr("deploy_as.times"), minutes_between_retries=0)
    @step
    def start(self):
        self.seen = [os.environ["GREETING"], os.environ["NAME"], self.rate, self.scaled, self.computed]
        self.items = self.model.layers
        self.next(self.each, foreach="items")

    @resources(**config_expr("{'cpu': deploy_as.cpu}"))
    @step
    def each(self):
        self.product = self.input * self.model.rate
        self.next(self.join)

    @step
    def join(self, inputs):
        self.products = [i.product for i in inputs]
        self.same = inputs[0].model == self.model
        self.next(self.end)

    @step
    def end(self):
        self.values = [self.model.to_dict(), self.lines.b, self.word, self.absent, self.LAYERS, self.model["keys"]]
        self.names = sorted(current.parameter_names)
        self.kept = self.model.optimizer
        try:
            self.model.rate = 2
        except TypeError:
            self.is_immutable = True


if __name__ == "__main__":
    ConfigFlow()
