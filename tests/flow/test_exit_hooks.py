"""@exit_hook: which functions are called after a local run, with what, and what is wrong with others."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from metaflow_hera import FlowSpec, exit_hook, run, step
from metaflow_hera.deploy.exit_logs import read_exit_logs
from metaflow_hera.deploy.source import check_flow
from metaflow_hera.errors import FlowError, RunFailedError, UnknownRunError
from metaflow_hera.flow.exit_hooks import HookGroup, hook_groups, hooks_of
from metaflow_hera.flow.load import load_flow
from metaflow_hera.flow.source import file_of
from metaflow_hera.settings import Settings


def note(text: str) -> None:
    with Path("hooks").open("a") as file:
        file.write(f"{text}\n")


def noted() -> list[str]:
    """What the hooks have left, in order."""
    return Path("hooks").read_text().splitlines() if Path("hooks").exists() else []


def succeeded(run):
    note(f"succeeded {run.pathspec} {run.successful} {run.data.value}")


def by_name(**facts):
    note(f"by name {sorted(facts)}")


def without_run():
    note(f"without run {os.getpid()}")
    print("from a hook")


def failed(run, more=1):
    note(f"failed {run.finished} {run.successful} {run.exception.type}")


def raising():
    note("raising")
    raise ValueError("the hook broke")


def dying():
    os.kill(os.getpid(), 9)


@exit_hook(on_success=[raising, dying])
class Base(FlowSpec):
    @step
    def start(self):
        self.value = 5
        self.next(self.end)

    @step
    def end(self):
        pass


@exit_hook(on_success=[succeeded, "by_name", f"{__name__}.without_run"])
@exit_hook(on_error=[failed, "without_run"], options={"image": "python:3.12"})
class Hooked(Base):
    pass


@exit_hook(on_error=[failed])
class Fails(Base):
    @step
    def end(self):
        raise OSError("the step broke")


def test_hooks_of_a_run_that_succeeded_are_called_in_processes_of_their_own(capfd: pytest.CaptureFixture[str]) -> None:
    made = run(Hooked)

    lines = noted()
    assert lines[:2] == ["raising", f"succeeded {made.pathspec} True 5"]
    assert lines[2] == "by name ['run']"
    assert lines[3].startswith("without run ")
    assert lines[3] != f"without run {os.getpid()}"
    assert len(lines) == 4
    printed = capfd.readouterr()
    assert "from a hook" in printed.err
    assert printed.out == ""
    assert "ValueError: the hook broke" in printed.err
    assert made.successful


def test_what_hooks_of_a_terminal_printed_is_not_stored_and_that_is_told() -> None:
    made = run(Hooked)
    with pytest.raises(UnknownRunError, match="it ran in a terminal, and what exit hooks printed was shown there"):
        list(read_exit_logs(made.pathspec, Settings.load(), ("stdout", "stderr")))


def test_hooks_of_a_run_that_failed_are_called() -> None:
    with pytest.raises(RunFailedError):
        run(Fails)

    assert noted() == ["failed True False OSError"]


def test_what_went_wrong_with_a_hook_is_told(tmp_path: Path) -> None:
    from metaflow_hera.deploy.local import LocalChoices, Unheard, prepare_run

    told: list[str] = []
    ready = prepare_run(check_flow(Base), {}, LocalChoices(), Settings.load())
    ready.with_exit_hooks(Unheard(), told.append)

    assert told == [
        "the exit hook raising failed; the run stays as it is",
        "the exit hook dying was killed by signal 9; the run stays as it is",
    ]


def needs_more(run, other):
    pass


def only_by_name(*, other):
    pass


class Holder:
    def method(self):
        pass


def wrong_file(tmp_path: Path, hooks: str) -> Path:
    file = tmp_path / "wrong_hooks.py"
    file.write_text(
        f"from metaflow_hera import FlowSpec, exit_hook, step\nimport {__name__} as hooks\n\n\n"
        f"{hooks}\nclass Wrong(FlowSpec):\n"
        "    @step\n    def start(self):\n        self.next(self.end)\n\n"
        "    @step\n    def end(self):\n        pass\n"
    )
    return file


def test_all_that_is_wrong_with_hooks_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    (tmp_path / "broken_module.py").write_text("raise OSError('out of order')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    file = wrong_file(
        tmp_path,
        "@exit_hook\n"
        "@exit_hook(on_success='name', on_error=hooks.failed, options={'imagine': 1})\n"
        "@exit_hook(on_success=['missing', 'no_such.thing', 'broken_module.f', 5, lambda run: None])\n"
        "@exit_hook(on_error=[hooks.needs_more, hooks.only_by_name, hooks.Holder.method, hooks.Base.start])",
    )
    with pytest.raises(FlowError) as caught:
        check_flow(file)

    assert str(caught.value).splitlines() == [
        f"{file}:5: flow Wrong: @exit_hook: names no function; give on_success=[…] or on_error=[…]",
        f"{file}:6: flow Wrong: @exit_hook: on_success must be a list of functions, not 'name'",
        f"{file}:6: flow Wrong: @exit_hook: on_error must be a list of functions, not {sys.modules[__name__].failed!r}",
        f"{file}:6: flow Wrong: @exit_hook: options has no 'imagine'; it has image",
        f"{file}:7: flow Wrong: @exit_hook: on_success: there is no function 'missing' in the flow's file",
        f"{file}:7: flow Wrong: @exit_hook: on_success: the module of 'no_such.thing' cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such'",
        f"{file}:7: flow Wrong: @exit_hook: on_success: the module of 'broken_module.f' cannot be imported: "
        "OSError: out of order",
        f"{file}:7: flow Wrong: @exit_hook: on_success: takes functions, and names of functions, not 5",
        f"{file}:7: flow Wrong: @exit_hook: on_success: '<lambda>' must be at the top of a module, where another "
        "process finds it by its name",
        f"{file}:8: flow Wrong: @exit_hook: on_error: 'needs_more' takes other; it may take run, or nothing",
        f"{file}:8: flow Wrong: @exit_hook: on_error: 'only_by_name' takes other; it may take run, or nothing",
        f"{file}:8: flow Wrong: @exit_hook: on_error: 'Holder.method' must be at the top of a module, where another "
        "process finds it by its name",
        f"{file}:8: flow Wrong: @exit_hook: on_error: 'start' is a step; write a function outside of the class",
    ]


def test_each_image_of_hooks_is_known_with_the_ends_that_it_is_for() -> None:
    assert hook_groups(Hooked) == (
        HookGroup(image="", on_success=True),
        HookGroup(image="python:3.12", on_error=True),
    )
    assert [hook.name for hook in hooks_of(Hooked, succeeded=False, image="python:3.12")] == ["failed", "without_run"]
    assert hooks_of(Hooked, succeeded=False, image="") == ()
    assert hook_groups(FlowSpec) == ()


def test_a_hook_of_the_flows_file_is_found_again_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "own_hooks.py"
    file.write_text(
        "from metaflow_hera import FlowSpec, exit_hook, step\n\n\n"
        "def hook(run):\n    open('hooks', 'a').write(run.pathspec + '\\n')\n\n\n"
        "@exit_hook(on_success=[hook, 'hook'])\nclass Own(FlowSpec):\n"
        "    @step\n    def start(self):\n        self.next(self.end)\n\n"
        "    @step\n    def end(self):\n        pass\n"
    )
    made: Any = run(file)

    assert noted() == [made.pathspec]
    assert file_of(load_flow(file)) == str(file)
