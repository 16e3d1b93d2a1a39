import os

from metaflow import Config, FlowSpec, Parameter, config_expr, environment, pyproject_toml_parser, retry, step, timeout


def default_config(context):
    return {"variables": {"MODE": "test"}, "user": context.user_name}


class ConfigurableFlow(FlowSpec):
    config = Config("config", default=os.path.join(os.path.dirname(__file__), "myconfig.toml"), parser="tomllib.loads")
    other = Config("other", default_value=default_config)
    inline = Config("inline", default_value='{"rate": 0.5}')
    rate = Parameter("rate", default=inline.rate)

    @retry(times=config.general.retries)
    @timeout(minutes=config_expr("config.limits.minutes + 1"))
    @environment(vars=config_expr("other.variables"))
    @step
    def start(self):
        self.mode = os.environ["MODE"]
        self.doubled = self.config.general.a * 2
        self.same = self.config["general"]["a"] == self.config.general.a
        self.next(self.end)

    @step
    def end(self):
        self.plain = self.inline.to_dict()
        print(self.rate, pyproject_toml_parser)


if __name__ == "__main__":
    ConfigurableFlow()
