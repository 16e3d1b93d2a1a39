"""Flows of notebooks: what of the cells goes into the module of the flow."""

from __future__ import annotations

import linecache
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from metaflow_hera import NBDeployer, NBRunner, run
from metaflow_hera.deploy.cells import module_text
from metaflow_hera.errors import FlowError


class Notebook:
    """Cells that are run one after the other in a module without a file, as IPython does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.module = types.ModuleType("__main__")
        self.module.__dict__["In"] = [""]
        self._monkeypatch = monkeypatch
        monkeypatch.setitem(sys.modules, "__main__", self.module)

    def run(self, text: str) -> None:
        cells: list[str] = self.module.__dict__["In"]
        name = f"/tmp/ipykernel_1/{len(cells)}.py"
        cells.append(text)
        self._monkeypatch.setitem(linecache.cache, name, (len(text), None, text.splitlines(keepends=True), name))
        exec(compile(text, name, "exec"), vars(self.module))

    def __getitem__(self, name: str) -> Any:
        return vars(self.module)[name]


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    return Notebook(monkeypatch)


IMPORTS = """
import json, math as m
from metaflow_hera import FlowSpec, Parameter, retry, step
from collections import *
"""
NAMES = """
FACTOR = 2
WORDS = ["a", "b"]
BY_FACTOR = {word: FACTOR for word in WORDS}
unused = open("/dev/null")
unused.close()
"""
FUNCTIONS = """
def marked(function):
    return function

@marked
def scaled(x):
    return m.floor(x) * FACTOR + offset(x)

def offset(x): return 0 if x else scaled(1)
"""
FLOW = """
class CellsFlow(FlowSpec):
    x = Parameter("x", default=FACTOR)

    @retry(times=1)
    @step
    def start(self):
        self.y = scaled(self.x), json.dumps(BY_FACTOR), [word for word in WORDS]
        self.next(self.end)

    @step
    def end(self):
        print(self.y)

raised = False
"""


def defined(notebook: Notebook) -> type:
    for cell in (IMPORTS, NAMES, FUNCTIONS, FLOW):
        notebook.run(cell)
    flow: type = notebook["CellsFlow"]
    return flow


def test_a_module_has_the_flow_and_what_it_uses_of_other_cells(notebook: Notebook) -> None:
    text = module_text(defined(notebook))
    made: dict[str, Any] = {"__name__": "cellsflow"}
    exec(compile(text, "cellsflow.py", "exec"), made)
    assert made["scaled"](1.5) == 2
    assert made["BY_FACTOR"] == {"a": 2, "b": 2}
    assert {"unused", "Counter", "raised"}.isdisjoint(made)
    assert text.index("def marked") < text.index("@marked\ndef scaled") < text.index("class CellsFlow")


def test_names_mean_what_they_mean_now(notebook: Notebook) -> None:
    flow = defined(notebook)
    notebook.run("FACTOR = 5")
    notebook.run("WORDS.append('c')")
    notebook.run("def scaled(x):\n    return 'anew'")
    notebook.run("CellsFlow = None")
    made: dict[str, Any] = {}
    exec(module_text(flow), made)
    assert (made["FACTOR"], made["WORDS"], made["scaled"](1)) == (5, ["a", "b", "c"], "anew")
    assert made["CellsFlow"].__name__ == "CellsFlow"


def test_a_value_that_nothing_can_write_down_is_named(notebook: Notebook) -> None:
    notebook.run(IMPORTS + "with open('/dev/null') as handle:\n    pass\n")
    notebook.run(FLOW.replace("FACTOR", "1").replace("scaled(self.x)", "handle"))
    with pytest.raises(FlowError, match="flow CellsFlow uses 'handle' of the notebook, a TextIOWrapper"):
        module_text(notebook["CellsFlow"])


def test_all_names_that_nothing_can_write_down_are_told_at_once(notebook: Notebook) -> None:
    notebook.run(IMPORTS)
    notebook.run(FLOW.replace("scaled(self.x), json.dumps(BY_FACTOR)", "one, two").replace("FACTOR", "1"))
    for name in ("one", "two"):
        vars(notebook.module)[name] = object()
    vars(notebook.module)["WORDS"] = frozenset
    with pytest.raises(FlowError) as raised:
        module_text(notebook["CellsFlow"])
    assert len(raised.value.problems) == 2


def test_a_class_of_a_base_in_another_cell_is_whole(notebook: Notebook) -> None:
    defined(notebook)
    notebook.run("class Derived(CellsFlow):\n    @step\n    def end(self):\n        self.last: 'm' = FACTOR\n")
    text = module_text(notebook["Derived"])
    assert text.index("class CellsFlow") < text.index("class Derived")
    exec(text, {})


def test_a_class_of_a_notebook_is_run_in_a_process_of_its_own(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("beside.py").write_text("VALUE = 'beside'\n")
    monkeypatch.syspath_prepend(".")
    notebook.run("import beside\n" + IMPORTS + NAMES + FUNCTIONS)
    notebook.run(FLOW.replace("print(self.y)", "self.z = beside.VALUE\n        self.file = __file__"))
    runner = NBRunner(notebook["CellsFlow"], show_output=False)
    run = runner.nbrun(x=3)
    assert (run.data.y[0], run.data.z) == (6, "beside")
    assert Path(run.data.file).name == "cellsflow.py"
    assert runner.nbresume(step_to_rerun="end").data.z == "beside"
    runner.cleanup()
    assert not Path(run.data.file).parent.exists()


def test_a_class_of_a_notebook_is_deployed(notebook: Notebook) -> None:
    flow = defined(notebook)
    with NBDeployer(flow, show_output=False) as deployer:
        deployed = deployer.argo_workflows(name="of-cells").create(tags=["mine"])
    finished = deployed.trigger(x=4).wait(timeout=60)
    assert finished.data.y[0] == 8
    assert "mine" in finished.user_tags


def test_what_is_no_flow_is_refused() -> None:
    with pytest.raises(TypeError, match="is no flow: give a class"):
        NBRunner("flow.py")  # type: ignore[arg-type]


def test_a_class_of_a_file_is_run_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "of_a_file.py").write_text(IMPORTS + NAMES + FUNCTIONS + FLOW)
    monkeypatch.syspath_prepend(str(tmp_path))
    from of_a_file import CellsFlow  # type: ignore[import-not-found]

    assert NBRunner(CellsFlow, show_output=False).nbrun().data.y[0] == 4
    assert run(CellsFlow, x=1).data.y[0] == 2
