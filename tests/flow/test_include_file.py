"""Files that a run takes in: by path at its start, by reference in between, by content in the steps."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera import FlowSpec, IncludeFile, Parameter, Run, current, deploy, namespace, run, step
from metaflow_hera.backends.embedded import stop_engine
from metaflow_hera.deploy.arguments import parameters_of_plan, run_arguments
from metaflow_hera.deploy.source import check_flow
from metaflow_hera.errors import FlowError, ParameterError, RunFailedError
from metaflow_hera.flow.include_file import IncludedFile
from metaflow_hera.naming import data_key
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store

TEXT = 'a,"b"\r\nü $HOME `id` {{x}}\n'


def rows(text: str) -> list[list[str]]:
    return [line.split(",") for line in text.splitlines()]


def no_attribute(text: str) -> None:
    return text.nothing  # type: ignore[attr-defined]


class Including(FlowSpec):
    text = IncludeFile("text", required=True)
    raw = IncludeFile("raw-file", is_text=False)
    table = IncludeFile("table", default="table.csv", encoding="utf-16", parser=rows)
    number = Parameter("number", default=1)

    @step
    def start(self):
        self.seen = (self.text, self.raw, self.table)
        self.next(self.end)

    @step
    def end(self):
        self.names = current.parameter_names
        self.again = self.table is self.table


@pytest.fixture(autouse=True)
def files() -> None:
    namespace(None)
    Path("text.txt").write_bytes(TEXT.encode())
    Path("raw.bin").write_bytes(bytes(range(256)))
    Path("table.csv").write_bytes("a,b\né,ß".encode("utf-16"))


def arguments(**texts: str) -> Any:
    return run_arguments(
        check_flow(Including), {name.replace("_", "-"): text for name, text in texts.items()}, settings()
    )


def settings() -> Settings:
    return Settings.load()


def told(**texts: str) -> list[str]:
    with pytest.raises(ParameterError) as caught:
        arguments(**texts)
    return str(caught.value).splitlines()


def stored() -> list[str]:
    return sorted(open_store(settings().datastore, settings()).keys("data/"))


def test_steps_and_the_client_see_contents() -> None:
    done = run(Including, text="text.txt", raw_file=Path("raw.bin"))
    task = done["start"].task

    assert done.data.seen == (TEXT, bytes(range(256)), [["a", "b"], ["é", "ß"]])
    assert (done.data.text, done.data.raw, done.data.table) == (TEXT, bytes(range(256)), "a,b\né,ß")
    assert (task["text"].data, task["text"].type, task["text"].size) == (TEXT, "str", len(TEXT.encode()))
    assert (task["raw"].type, done.data.again, list(done.data.names)) == (
        "bytes",
        True,
        ["text", "raw", "table", "number"],
    )


def test_an_artifact_is_a_reference_to_the_one_object_with_the_content() -> None:
    Path("text.txt").write_text("x" * 100_000)
    first = run(Including, text="text.txt", raw_file="text.txt")
    objects = stored()
    second = run(Including, text="text.txt", raw_file="text.txt")

    refs = first["end"].task.refs
    assert data_key(str(refs["text"].digest)) in objects
    assert refs["text"].digest == refs["raw"].digest == second["start"].task.refs["text"].digest
    assert open_store(settings().datastore, settings()).get(data_key(str(refs["text"].digest)))[:1] == b"x"
    large = [key for key in stored() if key not in objects]
    assert not large, "the same file again adds nothing"


def test_nothing_is_written_before_everything_was_looked_at() -> None:
    with pytest.raises(ParameterError):
        run(Including, text="text.txt", number="many")

    assert not Path(settings().datastore).exists()


def test_everything_that_is_wrong_with_files_is_told_at_once() -> None:
    Path("table.csv").write_bytes(b"odd")
    Path("broken.txt").write_bytes(b"one\ntwo\n" + b"x" * (1 << 20) + b"\n\xe4 three")
    os.mkfifo("pipe")

    assert told(text="broken.txt", raw_file="nowhere/x.bin", number="many") == [
        f"parameter 'text': {Path.cwd()}/broken.txt is no text in utf-8: invalid continuation byte at byte 1,048,585, "
        "in line 4; write IncludeFile(…, encoding='…'), or is_text=False for bytes",
        f"parameter 'raw-file': there is no file {Path.cwd()}/nowhere/x.bin (relative paths begin at the working "
        "directory)",
        "parameter 'number' takes a whole number, not 'many'",
    ]
    assert told(text="s3://bucket/x", raw_file="pipe") == [
        "parameter 'text' takes a file of this machine, not s3://bucket/x; download it, or read it in a step",
        f"parameter 'raw-file': {Path.cwd()}/pipe cannot be read: it is no plain file",
    ]
    assert told(text=".") == [f"parameter 'text': {Path.cwd()} cannot be read: it is a folder"]
    assert told() == ["parameter 'text' must be given (--text): the path of a file"]
    assert told(text="text.txt") == [
        f"parameter 'table': {Path.cwd()}/table.csv is no text in utf-16: truncated data at byte 2, in line 1; write "
        "IncludeFile(…, encoding='…'), or is_text=False for bytes"
    ]


def test_the_environment_names_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_RUN_RAW_FILE", "raw.bin")
    monkeypatch.setenv("MFHERA_RUN_TEXT", "text.txt")
    monkeypatch.setenv("METAFLOW_RUN_TEXT", "nowhere.txt")
    found = arguments(table="<none>")

    assert {file.path.name for file in found.files} == {"raw.bin", "text.txt"}
    assert (found.texts["table"], found.texts["number"]) == ("<none>", "1")
    assert IncludedFile.from_text(found.texts["raw-file"]).size == 256


DEPLOYED = """
from metaflow_hera import FlowSpec, IncludeFile, step

class Deployed(FlowSpec):
    text = IncludeFile("text", required=True)
    raw = IncludeFile("raw-file", is_text=False)
    table = IncludeFile("table", default="table.csv", encoding="utf-16")

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        self.same = (self.text, self.table)
"""


@pytest.fixture
def engine() -> Iterator[None]:
    yield
    stop_engine(settings())


def test_a_deployed_flow_has_its_default_uploaded_and_takes_paths_and_descriptions(engine: None) -> None:
    Path("large.bin").write_bytes(os.urandom(400_000))
    Path("deployed.py").write_text(DEPLOYED)
    deployed = deploy("deployed.py")
    text, raw, table = parameters_of_plan(deployed.plan)
    default = IncludedFile.from_text(str(table.default))

    assert (text.required, raw.default, default.encoding, default.size) == (True, None, "utf-16", 16)
    assert data_key(default.digest) in stored()
    assert len(str(table.default)) < 250
    done = deployed.trigger(text="text.txt", raw_file="large.bin", table=default).wait(60)
    assert (*done.data.same, len(done.data.raw)) == (TEXT, "a,b\né,ß", 400_000)
    assert Run(done.pathspec)["start"].task["raw"].data == Path("large.bin").read_bytes()
    with pytest.raises(ParameterError, match=r"parameter 'text': there is no file .*nowhere") as caught:
        deployed.trigger(text="nowhere", raw_file="{}")
    assert "parameter 'raw-file' takes the path of a file, not '{}'" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("text.txt", "mfhera trigger --f PATH"),
        ('{"type": "other"}', 'it has no "type": "mfhera-file"'),
        ("{'a': 1}", "Expecting property name"),
        ('{"type": "mfhera-file", "key": "Flow/runs/1/run.json", "size": 1, "is_text": true}', 'its "key" is not'),
        ("[1]" * 3, "mfhera trigger --f PATH"),
        ("{" * 10_000, "JSON here describes a file"),
    ],
)
def test_what_arrives_from_elsewhere_must_describe_a_file(text: str, reason: str) -> None:
    with pytest.raises(ParameterError) as caught:
        IncludeFile("f").from_text(text)

    assert str(caught.value).startswith("parameter 'f' takes the path of a file, not ")
    assert reason in str(caught.value)


def description(**changed: object) -> str:
    return json.dumps({**IncludedFile("ab" * 32, 5).descriptor, **changed})


@pytest.mark.parametrize(
    "changed",
    [{"size": -1}, {"size": "5"}, {"is_text": 1}, {"encoding": "klingon"}, {"encoding": None}, {"key": "data/aa/ab"}],
)
def test_a_description_that_cannot_be_is_refused(changed: dict[str, object]) -> None:
    assert IncludedFile.from_text(description()) == IncludedFile("ab" * 32, 5)
    with pytest.raises(ValueError, match="its "):
        IncludedFile.from_text(description(**changed))


def test_a_run_with_a_description_of_nothing_fails_and_says_what_to_do() -> None:
    with pytest.raises(RunFailedError, match=r"has no content data/ab/(ab){32} of 5 bytes; give the file itself, by"):
        run(Including, text=description())


@given(st.integers(0, 2**60), st.booleans(), st.sampled_from(["utf-8", "latin-1", "utf-16-le"]))
def test_a_description_survives_its_text(size: int, is_text: bool, encoding: str) -> None:
    file = IncludedFile("0f" * 32, size, is_text, encoding if is_text else "utf-8")

    assert IncludedFile.from_text(file.to_text()) == file


class Odd(FlowSpec):
    encoded = IncludeFile("encoded", encoding="klingon")
    hexed = IncludeFile("hexed", encoding="hex")
    parsed = IncludeFile("parsed", parser=5)
    texted = IncludeFile("texted", is_text="yes")
    unknown = IncludeFile("unknown", defualt="x")
    default = IncludeFile("default", default=5)
    function = IncludeFile("function", required=lambda context: True)

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


def test_what_is_wrong_with_the_declaration_is_told_at_once() -> None:
    with pytest.raises(FlowError) as caught:
        check_flow(Odd)

    assert [problem.text.removeprefix("flow Odd: parameter ") for problem in caught.value.problems] == [
        "'encoded': the encoding 'klingon' is none that Python knows; for bytes write is_text=False",
        "'hexed': the encoding 'hex' is none that Python knows; for bytes write is_text=False",
        "'parsed': the parser is a function, or 'module.function', not 5",
        "'texted': is_text must be True or False, not 'yes'",
        "'unknown': has no option 'defualt'; it takes default, help, required, show_default, is_text, encoding, parser",
        "'default': the default does not fit, as it takes the path of a file, not 5",
        "'function': required cannot be a function; only the default can",
    ]


class Parsing(FlowSpec):
    f = IncludeFile("f", default="text.txt", parser="json.nothing")
    g = IncludeFile("g", default="text.txt", parser=no_attribute)

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        self.length = len(self.g)


def test_a_parser_that_is_not_there_is_told_at_the_start() -> None:
    with pytest.raises(ParameterError, match=r"file 'f': its parser 'json\.nothing' cannot be found"):
        run(Parsing)


def test_a_parser_that_fails_fails_the_step_that_looks() -> None:
    Path("empty").write_bytes(b"")
    with pytest.raises(RunFailedError, match="the parser of file 'g' raised AttributeError: 'str' object has no"):
        run(Parsing, f=None)


def test_outside_of_a_run_a_file_has_the_content_of_its_default() -> None:
    class Outside(FlowSpec):
        f = IncludeFile("f", default="table.csv", encoding="utf-16", parser=rows)
        nothing = IncludeFile("nothing")
        absent = IncludeFile("absent", default="nowhere")

    flow = Outside(use_cli=False)
    assert (flow.f, flow.nothing) == ([["a", "b"], ["é", "ß"]], None)
    with pytest.raises(AttributeError, match=r"file 'absent' has no content outside of a run: .*nowhere"):
        _ = flow.absent


def test_an_empty_file_is_an_empty_text() -> None:
    Path("text.txt").write_bytes(b"")

    assert run(Including, text="text.txt", raw_file="text.txt").data.seen[:2] == ("", b"")


def test_a_file_that_changes_while_the_run_is_prepared_is_told() -> None:
    found = arguments(text="text.txt")
    Path("text.txt").write_text("something else")

    with pytest.raises(ParameterError, match=r"text\.txt was changed while it was looked at; start again"):
        found.upload(open_store(settings().datastore, settings()))


def test_a_huge_file_is_never_in_memory_as_a_whole() -> None:
    with Path("huge").open("wb") as file:
        file.truncate(160 << 20)
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_data_of_this_process() + (64 << 20), limits[1]))
    try:
        found = arguments(text="huge")
        found.upload(open_store(settings().datastore, settings()))
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, limits)

    described = IncludedFile.from_text(found.texts["text"])
    assert described.size == 160 << 20
    assert (Path(settings().datastore) / data_key(described.digest)).stat().st_size == 160 << 20


def _data_of_this_process() -> int:
    """Bytes that count against `RLIMIT_DATA`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    raise AssertionError
