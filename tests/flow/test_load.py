"""From a file, or a cell, to the flow in it."""

from __future__ import annotations

import linecache
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from metaflow_hera import FlowSpec
from metaflow_hera.errors import FlowError, MetaflowHeraError, UsageError
from metaflow_hera.flow.load import load_flow
from metaflow_hera.flow.source import source_of
from metaflow_hera.graph.check import problems
from metaflow_hera.graph.parse import parse

FLOW = """
from metaflow_hera import FlowSpec, step

class {name}({base}):
    @step
    def start(self):
        self.next(self.end)
    @step
    def end(self):
        pass
"""


@pytest.fixture(autouse=True)
def modules() -> Iterator[None]:
    """What a test imports is forgotten after it."""
    before, path = dict(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in sys.modules.keys() - before.keys():
        del sys.modules[name]


def a_file(folder: Path, source: str, name: str = "my_flow.py") -> Path:
    file = folder / name
    file.write_text(source, encoding="utf-8")
    return file


def flows(*names: str, base: str = "FlowSpec") -> str:
    return "".join(FLOW.format(name=name, base=base) for name in names)


def test_the_only_flow_of_a_file_is_found(tmp_path: Path) -> None:
    found = load_flow(a_file(tmp_path, flows("F")))

    assert (found.__name__, found.__module__) == ("F", "my_flow")
    assert source_of(found) == (str(tmp_path / "my_flow.py"), flows("F"))


def test_a_flow_is_chosen_by_its_name(tmp_path: Path) -> None:
    file = a_file(tmp_path, flows("F", "G"))

    assert load_flow(f"{file}:G").__name__ == load_flow(file, "G").__name__ == "G"


def test_the_flow_that_a_file_calls_is_meant(tmp_path: Path) -> None:
    file = a_file(tmp_path, flows("F", "G") + '\nif __name__ == "__main__":\n    F()\n')

    assert load_flow(file).__name__ == "F"


def test_a_base_class_is_not_meant(tmp_path: Path) -> None:
    assert load_flow(a_file(tmp_path, flows("Base") + flows("F", base="Base"))).__name__ == "F"


def test_a_flow_of_another_module_can_be_called(tmp_path: Path) -> None:
    a_file(tmp_path, flows("F"), "elsewhere.py")
    file = a_file(tmp_path, "from elsewhere import F\nfrom metaflow_hera import FlowSpec\nF()\n")

    assert load_flow(file).__module__ == "elsewhere"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", "my_flow.py has no flow; derive a class from FlowSpec in it"),
        ("from metaflow_hera import FlowSpec", "my_flow.py has no flow"),
        (flows("F", "G"), "my_flow.py has several flows, F, G; choose one as "),
        ("def f(:\n", "my_flow.py:1: this is not Python: "),
        ("x = '\0'", "source code string cannot contain null bytes"),
        (
            "import nowhere_to_be_found",
            "my_flow.py:1: the file cannot be imported: ModuleNotFoundError: No module named",
        ),
        ("from . import x", "my_flow.py:1: the file cannot be imported: ImportError: attempted relative import"),
        (
            "def f():\n    1 / 0\n\nf()",
            "my_flow.py:2: the file cannot be imported: ZeroDivisionError: division by zero",
        ),
        ("import sys\nsys.exit(3)", "my_flow.py:2: the file ends the process while it is imported"),
    ],
)
def test_a_file_without_a_flow_to_load_is_told(tmp_path: Path, source: str, expected: str) -> None:
    before = set(sys.modules)

    with pytest.raises(MetaflowHeraError) as caught:
        load_flow(a_file(tmp_path, source))

    assert expected in str(caught.value)
    assert "my_flow" not in sys.modules.keys() - before or isinstance(caught.value, UsageError)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe")
    (tmp_path / "notebook.ipynb").write_text("{}")
    for name, expected in {
        "missing.py": "there is no such file",
        "": "is a folder",
        "binary.py": "is no",
        "notebook.ipynb": "is a notebook",
        "missing.py:F": "missing.py: there is no such file",
    }.items():
        with pytest.raises(MetaflowHeraError, match=expected):
            load_flow(str(tmp_path / name))


def test_an_unknown_name_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no flow 'H'; its flows are F, G"):
        load_flow(a_file(tmp_path, flows("F", "G")), "H")


def test_a_file_is_loaded_anew_when_it_changed(tmp_path: Path) -> None:
    first = load_flow(a_file(tmp_path, flows("F")))

    assert load_flow(tmp_path / "my_flow.py") is first
    assert load_flow(a_file(tmp_path, flows("G"))).__name__ == "G"


def test_files_of_the_same_name_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()

    assert load_flow(a_file(tmp_path, flows("F"))).__name__ == "F"
    assert load_flow(a_file(tmp_path / "other", flows("G"))).__name__ == "G"


def test_a_file_called_like_a_module_of_python_takes_nobodys_place(tmp_path: Path) -> None:
    import random

    assert load_flow(a_file(tmp_path, flows("F"), "random.py")).__module__ == "random_flow"
    assert sys.modules["random"] is random


def test_a_file_called_like_a_package_in_use_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"pytest\.py has the name of the module 'pytest', which is in use; rename the file"
    ):
        load_flow(a_file(tmp_path, flows("F"), "pytest.py"))


def test_a_file_whose_name_is_no_identifier_is_loaded(tmp_path: Path) -> None:
    assert load_flow(a_file(tmp_path, flows("F"), "my-flow 2.py")).__name__ == "F"
    assert load_flow(a_file(tmp_path, flows("G"), "flow")).__name__ == "G"


def test_what_a_file_defines_can_be_pickled_and_its_neighbours_imported(tmp_path: Path) -> None:
    a_file(tmp_path, "VALUE = 5\n", "neighbour.py")
    file = a_file(tmp_path, "import neighbour\nclass Point:\n    x = neighbour.VALUE\n" + flows("F"))
    load_flow(os.path.relpath(file))

    assert pickle.loads(pickle.dumps(sys.modules["my_flow"].Point())).x == 5


def test_a_flow_that_is_called_without_a_guard_is_not_run(tmp_path: Path) -> None:
    assert load_flow(a_file(tmp_path, flows("F") + "F()\n")).__name__ == "F"


# --- cells ----------------------------------------------------------------------------------------------------------


def a_cell(source: str, name: str) -> type[FlowSpec]:
    """A class of a notebook's cell, as IPython runs it."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace = {"__name__": "notebook_without_a_file"}
    exec(compile(source, name, "exec"), namespace)
    return namespace["F"]


def test_a_flow_of_a_cell_is_read_from_the_cell() -> None:
    flow = a_cell(flows("F"), "<ipython-input-1-abc>")

    assert problems(parse(flow)) == ()
    assert source_of(flow) == ("F.py", flows("F"))


def test_a_flow_without_source_is_told() -> None:
    linecache.cache["<string>"] = (4, None, ["pass\n"], "<string>")  # as Python 3.13 does with what -c gives it
    namespace = {"__name__": "nowhere"}
    exec(flows("F"), namespace)
    flow = namespace["F"]

    assert {problem.text for problem in problems(parse(flow))} == {
        f"step {name!r} has source that cannot be found in <string>; save the flow in a file, and load it again"
        for name in ("start", "end")
    }
    with pytest.raises(FlowError, match="the source of F cannot be found"):
        source_of(flow)


def test_a_file_that_changed_after_it_was_imported_is_told(tmp_path: Path) -> None:
    flow = load_flow(a_file(tmp_path, flows("F")))
    a_file(tmp_path, "\n" + flows("F"))

    assert [problem.text.split(";")[0] for problem in problems(parse(flow))] == [
        f"step {name!r} has source that is not there any more in {tmp_path / 'my_flow.py'}" for name in ("start", "end")
    ]
