"""Configs: where their values come from, how decorators and parameters use them, and how steps see them."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera import (
    Config,
    FlowSpec,
    Parameter,
    Run,
    config_expr,
    environment,
    kubernetes,
    namespace,
    resources,
    retry,
    run,
    schedule,
    step,
)
from metaflow_hera.compat import install
from metaflow_hera.deploy.launching import LaunchOptions, launch_of
from metaflow_hera.deploy.source import check_flow, launched_class
from metaflow_hera.errors import ConfigError, FlowError
from metaflow_hera.flow.config_value import ConfigValue
from metaflow_hera.flow.configs import configs_of
from metaflow_hera.flow.launch import Launch
from metaflow_hera.flow.parameters import parameters_of
from metaflow_hera.flow.prepare import prepare
from metaflow_hera.flow.source import file_of, source_of
from metaflow_hera.flow.steps import steps_of
from metaflow_hera.flow.written import flow_written, written_on

HERE = Path(__file__).name
FACTOR = 100


def options(config: dict[str, Any] | None = None, value: dict[str, Any] | None = None) -> LaunchOptions:
    return LaunchOptions.of(config, value)


def values(flow: type, launch: LaunchOptions | None = None) -> dict[str, Any]:
    return dict(launch_of(flow, launch or LaunchOptions()).configs)


def told(flow: type, launch: LaunchOptions | None = None) -> list[str]:
    """What is wrong with the configs of a flow."""
    with pytest.raises(ConfigError) as caught:
        values(flow, launch)
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


def line_of(text: str) -> int:
    """The line of this file that ends with *text*."""
    lines = Path(__file__).read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if line.strip().endswith(text)]
    return number


def write(name: str, content: object) -> str:
    Path(name).write_text(content if isinstance(content, str) else json.dumps(content))
    return name


class Base(FlowSpec):
    cfg = Config("cfg", default_value={"cpu": 2, "rate": 0.5, "env": {"A": "1"}, "deep": {"list": [{"x": 7}]}})

    def __init_subclass__(cls, **keywords: object) -> None:
        super().__init_subclass__(**keywords)
        cls.hooked = [*getattr(cls, "hooked", ()), cls.__name__]


@schedule(cron=config_expr("cfg.cron"))
class Trained(Base):
    """A doc."""

    other = Config("an-other", default_value={"times": 3})
    rate = Parameter("rate", default=Base.__dict__["cfg"].rate)
    steps = Parameter("steps", default=config_expr("cfg.cpu * FACTOR + len(cfg.deep.list)"), help="How many")
    LISTED = other["times"]

    @retry(times=other.times)
    @resources(cpu=config_expr("cfg").cpu)
    @step
    def start(self):
        self.tripled = self.triple(1)
        self.next(self.end)

    @environment(vars={**Base.__dict__["cfg"].env, "B": config_expr("str(cfg.deep.list[0].x)")})
    @kubernetes(**config_expr("cfg.pod"))
    @step
    def end(self):
        self.name_of_super = super().triple(2)

    def triple(self, number):
        return number * 3


def triple(self, number):
    return number * 3


Base.triple = triple
CFG = {"cpu": 4, "rate": 0.25, "env": {"A": "a"}, "deep": {"list": [{"x": 8}]}, "cron": "5 * * * *"}
CFG["pod"] = {"image": "python:3.12", "secrets": ["one"]}


def trained() -> type[FlowSpec]:
    return launched_class(Trained, options=options(value={"cfg": CFG}))[0]


def test_decorators_and_parameters_get_the_values_of_the_launch() -> None:
    flow = trained()
    decorators = {name: {d.name: dict(d.attributes) for d in written_on(each)} for name, each in steps_of(flow).items()}
    parameters = parameters_of(flow)

    assert decorators["start"] == {"retry": {"times": 3}, "resources": {"cpu": 4}}
    assert decorators["end"]["environment"] == {"vars": {"A": "a", "B": "8"}}
    assert decorators["end"]["kubernetes"] == CFG["pod"]
    assert [spec.attributes for _, specs in flow_written(flow) for spec in specs] == [{"cron": "5 * * * *"}]
    assert (parameters["rate"].default, parameters["rate"].type) == (0.25, float)
    assert (parameters["steps"].default, parameters["steps"].type, parameters["steps"].help) == (401, int, "How many")
    assert flow(use_cli=False).LISTED == 3
    check_flow(flow)


def test_the_class_of_a_launch_is_like_the_one_that_was_written() -> None:
    flow = trained()

    assert (flow.__name__, flow.__qualname__, flow.__module__) == ("Trained", "Trained", Trained.__module__)
    assert flow.__doc__ == "A doc."
    assert issubclass(flow, Trained)
    assert list(steps_of(flow)) == list(steps_of(Trained)) == ["start", "end"]
    assert list(parameters_of(flow)) == ["rate", "steps"]
    assert (file_of(flow), source_of(flow)) == (file_of(Trained), source_of(Trained))
    assert flow.hooked == ["Trained"], "what a class does at its definition is not done again"
    assert prepare(flow, Launch()) is flow
    assert written_on(steps_of(Trained)["start"])[0].attributes["times"] is not None


def test_a_flow_without_configs_is_run_as_it_is() -> None:
    class Plain(FlowSpec):
        alpha = Parameter("alpha", default=1)

    assert launched_class(Plain)[0] is Plain


def test_methods_and_super_work_in_the_class_of_a_launch_and_artifacts_are_of_plain_classes() -> None:
    namespace(None)
    done = run(Trained, config_value={"cfg": CFG, "an-other": {"times": 0}})

    assert (done.data.tripled, done.data.name_of_super, done.data.cfg) == (3, 6, CFG)
    assert type(done.data.cfg) is dict
    assert done["start"].task["other"].data == {"times": 0}
    assert Run(done.pathspec)._run.configs == {"cfg": "cfg", "other": "an-other"}


def test_a_value_comes_from_an_option_else_the_environment_else_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sourced(FlowSpec):
        a = Config("a", default=write("a.json", {"from": "default"}))
        b = Config("b", default_value={"from": "default"})
        c = Config("c", default=lambda context: write("c.json", {"from": context.parameter_name}))
        d = Config("d", default_value=lambda context: {"from": context.flow_name, "before": context.configs.c["from"]})
        e = Config("e", default_value='{"from": "text"}')
        f = Config("f")
        g = Config("g", default=config_expr("f.get('path') if f else None"))

    assert values(Sourced) == {
        "a": {"from": "default"},
        "b": {"from": "default"},
        "c": {"from": "c"},
        "d": {"from": "Sourced", "before": "c"},
        "e": {"from": "text"},
        "f": None,
        "g": None,
    }
    monkeypatch.setenv("METAFLOW_FLOW_CONFIG", json.dumps({"a": write("env.json", {"from": "environment"})}))
    monkeypatch.setenv("MFHERA_FLOW_CONFIG_VALUE", json.dumps({"b": {"from": "environment"}, "f": '{"x": 1}'}))
    assert [values(Sourced)[name] for name in "abef"] == [
        {"from": "environment"},
        {"from": "environment"},
        {"from": "text"},
        {"x": 1},
    ]
    chosen = options({"a": write("option.json", {"from": "option"})}, {"b": '{"from": "option"}'})
    assert [values(Sourced, chosen)[name]["from"] for name in "abe"] == ["option", "option", "text"]
    again = LaunchOptions(origin={"a": {"from": "origin"}}, config=chosen.config)
    assert values(Sourced, again)["a"] == {"from": "origin"}


def test_functions_and_parsers_of_configs_are_called_once_for_a_launch() -> None:
    calls = []

    class Counted(FlowSpec):
        a = Config("a", default_value=lambda context: calls.append("default") or "x", parser=lambda text: {"t": text})
        p = Parameter("p", default=lambda context: context.configs.a.t)

        @step
        def start(self):
            self.next(self.end)

        @step
        def end(self):
            pass

    flow = check_flow(check_flow(Counted).flow_class)

    assert calls == ["default"]
    assert flow.launch.configs == {"a": {"t": "x"}}
    assert run(flow.flow_class).data.p == "x"


def read_pairs(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_texts_are_read_by_json_or_by_a_parser_and_plain_ones_not_at_all() -> None:
    install()

    class Parsed(FlowSpec):
        table = Config("table", default=write("table", "a 1\nb 2"), parser=read_pairs, plain=True)
        named = Config("named", default_value="[1]", parser="json.loads", plain=True)
        own = Config("own", default_value="a: {b: [1, yes]}", parser=".yaml_parser")
        word = Config("word", default=write("word", "just text"), plain=True)
        number = Config("number", default_value=5, plain=True)
        tuples = Config("tuples", default_value={"a": (1, 2), 3: {"b": None}})

    assert values(Parsed) == {
        "table": [["a", "1"], ["b", "2"]],
        "named": [1],
        "own": {"a": {"b": [1, True]}},
        "word": "just text",
        "number": 5,
        "tuples": {"a": [1, 2], "3": {"b": None}},
    }


def test_everything_that_is_wrong_with_the_names_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Named(FlowSpec):
        model = Config("model", default_value={})
        data = Config("data", default_value={})

    monkeypatch.setenv("METAFLOW_FLOW_CONFIG", "[1")
    monkeypatch.setenv("METAFLOW_FLOW_CONFIG_VALUE", '{"dataa": {}}')
    lines = told(Named, options({"modl": "x.json", "data": "y.json"}, {"data": "{}"}))

    assert lines == [
        "METAFLOW_FLOW_CONFIG must be a JSON object by names of configs, not '[1' "
        "(Expecting ',' delimiter: line 1 column 3 (char 2))",
        "config 'data' is given twice, by the file of --config data and --config-value data; keep the file or the "
        "value",
        "Named has no config 'modl': did you mean 'model'?",
        "Named has no config 'dataa': did you mean 'data'?",
    ]


def test_everything_that_is_wrong_with_the_values_is_told_at_once() -> None:
    def fails(context: object) -> None:
        raise LookupError("nothing there")

    class Broken(FlowSpec):
        required = Config("required", required=True)
        absent = Config("absent", default="nowhere.json")
        folder = Config("folder", default=".")
        binary = Config("binary", default="binary")
        broken = Config("broken", default=write("broken.json", '{\n "a": 1\n "b": 2}'))
        given_value = Config("given")
        listed = Config("listed", default_value="[1]")
        parsed = Config("parsed", default_value="x", parser=json.loads)
        unread = Config("unread", default_value="x", parser=lambda text: [text])
        no_parser = Config("no-parser", default_value="x", parser="json.nothing")
        odd = Config("odd", default_value={"when": [{"x": {1, 2}}]})
        keyed = Config("keyed", default_value={"a": {None: 1}})
        failing = Config("failing", default_value=fails)
        expression = Config("expression", default_value=config_expr("nothing.at_all"))  # here

    Path("binary").write_bytes(b"abc\xff")
    lines = told(Broken, options(value={"given": "{'a': 1}"}))

    assert lines == [
        "config 'required' must be given: --config required FILE, or --config-value required JSON",
        f"config 'absent': there is no file {Path.cwd()}/nowhere.json, which is its default (relative paths begin at "
        "the working directory)",
        f"config 'folder': {Path.cwd()}, which is its default, cannot be read: Is a directory",
        f"config 'binary': {Path.cwd()}/binary is no text in UTF-8: invalid start byte at byte 3",
        f"config 'broken': {Path.cwd()}/broken.json:3:2 is not JSON: Expecting ',' delimiter",
        "config 'given': --config-value given:1:2 is not JSON: Expecting property name enclosed in double quotes",
        "config 'listed': it is a value of type list, and without plain=True it must be a dictionary",
        "config 'parsed': its parser loads refuses its default_value: JSONDecodeError: Expecting value: line 1 column "
        "1 (char 0)",
        "config 'unread': its parser <lambda> gives a value of type list, and without plain=True it must be a "
        "dictionary",
        "config 'no-parser': its parser 'json.nothing' cannot be found (AttributeError: module 'json' has no attribute "
        "'nothing'); write 'module.function', or pass the function",
        "config 'odd': odd.when[0].x is of type set, and a config holds what JSON can hold: write it as a text",
        "config 'keyed': keyed.a has the key None, and the keys of a config are texts: write it in quotes",
        "config 'failing': the function for its default raised LookupError: nothing there",
        f"config 'expression': {__file__}:{line_of('# here')}: config_expr('nothing.at_all') "
        "cannot be evaluated: NameError: name 'nothing' is not defined",
    ]


def test_what_is_wrong_with_the_declaration_is_told_before_anything_is_read() -> None:
    class Declared(FlowSpec):
        both = Config("both", default="x.json", default_value={})
        unknown = Config("unknown", defualt={})
        parser = Config("parser", parser=5)
        twice = Config("both")

    assert told(Declared) == [
        "config 'both' has both default and default_value; keep the path or the value",
        "config 'unknown' has no option 'defualt'; it takes default, default_value, help, required, parser, plain, "
        "show_default",
        "config 'parser': its parser is a function of a text, or 'module.function', not 5",
        "2 configs have the name 'both'; rename all but one",
    ]


def test_a_config_for_a_flow_without_any_is_told() -> None:
    class Without(FlowSpec):
        pass

    assert told(Without, options(value={"cfg": {}})) == ["Without has no config 'cfg'; it has none at all"]


class Wrong(FlowSpec):
    cfg = Config("cfg", default_value={"cpu": 1, "text": "x"})
    size = Parameter("size", default=cfg.sise)

    @resources(cpu=cfg.cpus)
    @environment(**cfg.text)
    @step
    def start(self):
        self.next(self.end)

    @retry(times=config_expr("missing + 1"))  # there
    @step
    def end(self):
        pass


def test_every_expression_without_a_value_is_told_with_its_line_and_decorator() -> None:
    with pytest.raises(FlowError) as caught:
        launched_class(Wrong)

    assert [str(problem).replace(__file__, HERE) for problem in caught.value.problems] == [
        f"{HERE}:{line_of('default=cfg.sise)')}: parameter 'size': cfg.sise cannot be evaluated: AttributeError: the "
        "config has no key 'sise' here: there are cpu, text",
        f"{HERE}:{line_of('@resources(cpu=cfg.cpus)')}: step 'start': @resources: cfg.cpus cannot be evaluated: "
        "AttributeError: the config has no key 'cpus' here: did you mean 'cpu'?",
        f"{HERE}:{line_of('@environment(**cfg.text)')}: step 'start': @environment: **cfg.text unpacks a dictionary, "
        "and that is 'x'",
        f"{HERE}:{line_of('# there')}: step 'end': @retry: config_expr('missing + 1') cannot be "
        "evaluated: NameError: name 'missing' is not defined",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda cfg: f"image:{cfg.tag}",
        lambda cfg: cfg.number + 1,
        lambda cfg: "x" + cfg.tag,
        lambda cfg: int(cfg.number),
        lambda cfg: str(cfg.number),
        lambda cfg: len(cfg.items),
        lambda cfg: list(cfg.items),
        lambda cfg: cfg if cfg.flag else None,
        lambda cfg: cfg.number > 3,
        lambda cfg: "x" in cfg.items,
    ],
)
def test_nothing_is_computed_from_a_config_that_has_no_value_yet(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"has no value yet while the class is defined; write .* config_expr\('…'\)"):
        wrong(Config("cfg"))


def test_an_expression_that_is_no_python_is_told_where_it_is_written() -> None:
    with pytest.raises(ConfigError, match=r"config_expr\('cfg\.\.a'\) is no Python expression: invalid syntax"):
        config_expr("cfg..a")


def test_outside_of_a_run_a_config_has_its_default_if_that_can_be_had() -> None:
    class Outside(FlowSpec):
        cfg = Config("cfg", default=write("outside.json", {"a": {"b": 1}}))
        computed = Config("computed", default_value=lambda context: {})
        absent = Config("absent", default="nowhere.json")

    flow = Outside(use_cli=False)
    assert flow.cfg.a.b == 1
    with pytest.raises(AttributeError, match="config 'computed' has a value when its flow is launched, not before"):
        _ = flow.computed
    with pytest.raises(AttributeError, match=r"config 'absent' has no value outside of a run: .* there is no file"):
        _ = flow.absent
    with pytest.raises(AttributeError, match=r"self\.cfg is a parameter or a constant"):
        flow.cfg = {}


CHANGES = {
    "item": lambda value: value.__setitem__("a", 1),
    "del": lambda value: value.__delitem__("a"),
    "attribute": lambda value: setattr(value, "a", 1),
    "del attribute": lambda value: delattr(value, "a"),
    "update": lambda value: value.update(b=1),
    "pop": lambda value: value.pop("a"),
    "popitem": lambda value: value.popitem(),
    "clear": lambda value: value.clear(),
    "setdefault": lambda value: value.setdefault("b", 1),
    "or": lambda value: value.__ior__({"b": 1}),
    "append": lambda value: value.a.append(1),
    "sort": lambda value: value.a.sort(),
    "extend": lambda value: value.a.__iadd__([1]),
    "inner": lambda value: value["inner"].update(b=1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_nothing_changes_a_config(change: Any) -> None:
    value = ConfigValue({"a": [1, 2], "inner": {"x": 1}})

    with pytest.raises(TypeError, match=r"a config is the same in all steps and cannot be changed, as .* would"):
        change(value)
    assert value == {"a": [1, 2], "inner": {"x": 1}}


def test_a_config_is_a_dictionary_with_its_keys_as_attributes() -> None:
    value = ConfigValue({"a": {"b": [{"c": 1}]}, "keys": 2, "to_dict": 3})

    assert value.a.b[0].c == value["a"]["b"][0]["c"] == 1
    assert (value["keys"], value["to_dict"], sorted(value.keys())) == (2, 3, ["a", "keys", "to_dict"])
    assert json.loads(json.dumps(value)) == value.to_dict() == value
    assert type(value.to_dict()["a"]) is dict
    assert type(value.to_dict()["a"]["b"]) is list
    assert {**value.a} == {"b": [{"c": 1}]}
    assert (hasattr(value, "nothing"), value.get("nothing", 5)) == (False, 5)
    with pytest.raises(AttributeError, match=r"the config has no key 'aa' here: did you mean 'a'\?"):
        _ = value.aa
    with pytest.raises(KeyError) as caught:
        _ = value["bee"]
    assert str(caught.value) == "the config has no key 'bee' here: there are a, keys, to_dict"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
json_objects = st.dictionaries(st.text(), json_values, max_size=4)


@given(json_objects)
def test_a_config_survives_its_copies(content: dict[str, Any]) -> None:
    value = ConfigValue(content)

    assert value == content
    assert value.to_dict() == content
    for copied in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
        assert type(copied) is ConfigValue
        assert copied.to_dict() == content


@given(json_objects, st.none() | st.text(), st.booleans())
def test_a_launch_survives_its_file(content: dict[str, Any], branch: str | None, production: bool) -> None:
    launch = Launch(configs={"cfg": content}, branch=branch, production=production)

    assert Launch.from_bytes(launch.to_bytes()) == launch


paths = st.lists(st.text(min_size=1) | st.integers(0, 3), min_size=1, max_size=4)


def nested(path: list[Any], leaf: object) -> Any:
    for key in reversed(path):
        leaf = {key: leaf} if isinstance(key, str) else [None] * key + [leaf]
    return leaf


@given(paths, json_values)
def test_an_expression_gives_what_its_path_leads_to(path: list[Any], leaf: object) -> None:
    class Pathed(FlowSpec):
        cfg = Config("cfg", plain=True, default_value=nested(path, leaf))
        expression: Any = cfg
        for key in path:
            expression = expression[key]
        p = Parameter("p", default=[{"in": (expression,)}])
        del expression, key

    flow, _ = launched_class(Pathed)
    assert parameters_of(flow)["p"].default == [{"in": (leaf,)}]


class Shadowing(FlowSpec):
    input = Config("input")

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


def test_a_config_cannot_hide_what_every_flow_has() -> None:
    with pytest.raises(FlowError, match="'input' is a name that every flow has already"):
        check_flow(Shadowing)


def test_configs_are_inherited_and_replaced() -> None:
    class Derived(Base):
        cfg = Config("renamed", default_value={"a": 1})

    assert [spec.name for spec in configs_of(Derived).values()] == ["renamed"]
    assert values(Derived) == {"renamed": {"a": 1}}
