"""`Runner`: runs from Python in processes of their own, while they go on and afterwards."""

from __future__ import annotations

import asyncio
import pickle
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from api_flows import write_flow

from metaflow_hera import Flow, Run, Runner
from metaflow_hera.errors import ArgumentError, MetaflowHeraError, NotFoundError, ProcessError


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flows")


def quiet(flow: Path, **options: object) -> Runner:
    return Runner(str(flow), show_output=False, **options)


def test_a_run_gives_what_the_client_sees_and_what_was_printed(flow: Path) -> None:
    with quiet(flow).run(numbers=[2, 3], scale_by=10, tags=["mine", "yours"], max_workers=2) as running:
        assert (running.status, running.returncode) == ("successful", 0)
        assert running.run.data.results == [40.0, 90.0]
        assert {"mine", "yours"} <= running.run.user_tags
        assert "numbers [2, 3]" in running.stderr
        assert running.stdout == f"{running.run.pathspec}\n"
    assert running.run.successful
    assert "numbers" in running.stderr, "what was printed outlives the process's files"


def test_its_output_is_shown_as_it_comes(flow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running = Runner(flow).run(secret="ü")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (running.stdout, running.stderr)
    assert "numbers [1, 2, 3]" in printed.err


def test_a_run_has_the_environment_and_the_directory_that_it_is_given(flow: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    own = {"SOME_VARIABLE": "some", "MFHERA_DATA_DIR": ".own"}
    run = quiet(flow, env=own, cwd=elsewhere).run().run
    assert (run["start"].task.data.where, run.data.variable) == (str(elsewhere), "some")
    assert (elsewhere / ".own" / "store").is_dir()
    assert not (tmp_path / "data" / "store").exists()


def test_options_before_the_command_hold_for_every_run(flow: Path, tmp_path: Path) -> None:
    runner = quiet(flow, decospecs=["retry:times=1"], datastore_root=tmp_path / "place", pylint=False)
    run = runner.run().run
    assert (tmp_path / "place" / "SquaresFlow").is_dir()
    assert "retry" in str(run._run.graph)


CONFIGURED = """
from metaflow import Config, FlowSpec, IncludeFile, Parameter, step

class ConfiguredFlow(FlowSpec):
    settings = Config("settings", default_value={"a": 1})
    text = IncludeFile("text", required=True)
    words = Parameter("words", separator=",", default=settings.words)

    @step
    def start(self):
        self.seen = (self.settings.a, self.text, self.words)
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def test_configs_files_and_lists_are_given_as_what_they_are(tmp_path: Path) -> None:
    flow = write_flow(tmp_path, CONFIGURED)
    (tmp_path / "text.txt").write_text("of a file")
    config = ("settings", {"a": 5, "words": "x,y"})
    run = quiet(flow, config_value=[config]).run(text=str(tmp_path / "text.txt")).run
    assert run.data.seen == (5, "of a file", ["x", "y"])
    with pytest.raises(TypeError, match="'config_value' takes what JSON can say"):
        quiet(flow, config_value=[("settings", {1, 2})]).run()
    with pytest.raises(ValueError, match="'text' must be given"):
        quiet(flow, config_value=[config]).run()


def test_a_run_that_fails_raises_with_its_output(flow: Path) -> None:
    with pytest.raises(ProcessError, match="ValueError: negative: -3") as raised:
        quiet(flow).run(numbers=[1, 2], **{"scale-by": -0.6})
    assert isinstance(raised.value, RuntimeError)
    assert raised.value.run.exception.type == "ValueError"
    assert pickle.loads(pickle.dumps(raised.value)).run == raised.value.run


def test_a_run_that_may_fail_is_returned_however_it_ended(flow: Path) -> None:
    running = quiet(flow, check=False).run(scale_by=-1)
    assert (running.status, running.returncode) == ("failed", 1)
    assert not running.run.successful
    assert "negative" in running.stderr


def test_a_run_is_resumed_where_it_failed(flow: Path) -> None:
    runner = quiet(flow, check=False)
    failed = runner.run(scale_by=-1).run
    flow.write_text(flow.read_text().replace("sum(self.results) < 0", "False"))
    resumed = runner.resume(origin_run_id=failed.id).run
    assert resumed.successful
    assert resumed.origin_pathspec == failed.pathspec
    assert resumed["square"]["1"].data.result == -4.0
    again = runner.resume(step_to_rerun="join", origin_run_id=resumed.id, tags=["again"]).run
    assert again.successful and "again" in again.user_tags


def test_a_step_is_spun_on_the_inputs_of_a_past_task(flow: Path) -> None:
    runner = quiet(flow)
    run = runner.run(numbers=[2, 3]).run
    flow.write_text(flow.read_text().replace("self.input**2", "self.input**3"))
    with runner.spin(f"{run.id}/square/1") as spun:
        assert (spun.status, spun.task.data.result) == ("successful", 27.0)
        assert spun.task.path_components[2:] == ["square", "1"]
    assert run["square"]["1"].data.result == 9.0
    with pytest.raises(ValueError, match="'numbers' is no argument"):
        runner.spin("square", numbers=[1])

    async def main() -> object:
        async with await runner.async_spin("square") as spinning:
            return (await spinning.wait()).task.data.result

    assert asyncio.run(main()) == 8.0


@pytest.mark.parametrize(
    ("arguments", "kind", "told"),
    [
        ({"nubmers": [1]}, ValueError, r"Runner.run\(\): 'nubmers' is no argument \(did you mean 'numbers'\?\)"),
        (
            {"numbers": {1, 2}, "max_workers": "4", "tags": "one", "secret": open},
            TypeError,
            "(?s)parameter 'numbers' takes JSON.*'max_workers' takes a whole number, not '4'.*"
            "'tags' takes a list, not 'one'.*parameter 'secret' takes a text",
        ),
        ({"max_workers": 0}, ValueError, "0 is not in the range"),
        ({"secret": lambda: 1}, TypeError, "'secret' is a function, which no other process can be given"),
    ],
)
def test_an_argument_that_cannot_be_is_refused_before_anything_runs(
    flow: Path, tmp_path: Path, arguments: dict[str, object], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told) as raised:
        quiet(flow).run(**arguments)
    assert isinstance(raised.value, ArgumentError)
    assert not (tmp_path / "data").exists()


def test_all_arguments_that_cannot_be_are_told_at_once(flow: Path) -> None:
    with pytest.raises(ValueError, match="'one' is no argument") as raised:
        quiet(flow).run(one=1, two=2, max_workers=1.5)
    assert [line.partition(":")[2][:21] for line in str(raised.value).splitlines()] == [
        " 'one' is no argument",
        " 'two' is no argument",
        " 'max_workers' takes ",
    ]
    assert "parameters of the flow are numbers, scale_by, secret" in str(raised.value)


def test_a_parameter_that_is_missing_is_named(tmp_path: Path) -> None:
    text = "from metaflow import *\nclass F(FlowSpec):\n    p = Parameter('p', required=True)\n"
    text += "    @step\n    def start(self):\n        self.next(self.end)\n    @step\n    def end(self): pass\n"
    with pytest.raises(ValueError, match="'p' must be given"):
        quiet(write_flow(tmp_path, text)).run()


def test_a_file_that_is_not_there_is_refused_at_once() -> None:
    with pytest.raises(FileNotFoundError, match="Runner: there is no file nowhere"):
        Runner("nowhere.py")


def test_a_flow_that_breaks_rules_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"step 'start'.*self\.next") as raised:
        quiet(
            write_flow(tmp_path, "from metaflow import *\nclass F(FlowSpec):\n    @step\n    def start(self): 1\n")
        ).run()
    assert isinstance(raised.value, MetaflowHeraError)
    assert raised.value.run is None


SLOW = """
import time
from metaflow import FlowSpec, Parameter, step

class SlowFlow(FlowSpec):
    number = Parameter("number", default=0)

    @step
    def start(self):
        print("line", self.number)
        time.sleep(60 if self.number < 0 else 0)
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def test_several_runs_go_on_at_once_and_are_waited_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with quiet(write_flow(tmp_path, SLOW)) as runner:
            running = await asyncio.gather(*(runner.async_run(number=number) for number in range(3)))
            assert all(isinstance(each.run, Run) for each in running)
            lines = [line async for _, line in running[1].stream_log("stderr") if "line" in line]
            ended = [await each.wait() for each in running]
            assert [each.status for each in ended] == ["successful"] * 3
            assert [each.run.data.number for each in ended] == [0, 1, 2]
            assert len(lines) == 1 and lines[0].endswith("[start/0] line 1")

    asyncio.run(main())


def test_a_run_that_takes_too_long_is_ended_and_can_be_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main() -> Run:
        async with await quiet(write_flow(tmp_path, SLOW)).async_run(number=-1) as running:
            while "line -1" not in running.stderr:
                await asyncio.sleep(0.05)
            assert (running.status, running.returncode) == ("running", None)
            assert (await running.wait(timeout=0.1, stream="stderr")).status == "timeout"
            return running.run

    began = time.monotonic()
    run = asyncio.run(main())
    assert time.monotonic() - began < 30
    assert run.finished and not run.successful
    assert "line -1" in capsys.readouterr().out


def test_ctrl_c_ends_the_run_as_it_does_in_a_terminal(tmp_path: Path) -> None:
    # In the background of a shell, which tests may run in, Python would not listen to Ctrl-C.
    listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    flow = str(write_flow(tmp_path, SLOW))
    script = f"{listening}; from metaflow_hera import Runner; Runner({flow!r}).run(number=-1)"
    started = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    while not has_begun():
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    _, told = started.communicate(timeout=60)
    assert "KeyboardInterrupt" in told
    run = Flow("SlowFlow").latest_run
    assert run.finished and not run.successful


def has_begun() -> bool:
    with suppress(NotFoundError):
        return bool(Flow("SlowFlow").latest_run["start"].task.stdout)
    return False


def test_lines_go_on_after_a_position(flow: Path) -> None:
    running = quiet(flow).run()

    async def lines(position: int | None) -> list[tuple[int, str]]:
        return [each async for each in running.stream_log("stderr", position)]

    every = asyncio.run(lines(None))
    assert "\n".join(line for _, line in every) + "\n" == running.stderr
    assert asyncio.run(lines(every[0][0])) == every[1:]
    with pytest.raises(ValueError, match="no 'stdlog'"):
        asyncio.run(anext(running.stream_log("stdlog")))
