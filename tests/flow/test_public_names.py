"""The package's own names, and the same ones under the name `metaflow`."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import metaflow_hera

ROOT = Path(metaflow_hera.__file__).parents[1]


def run(code: str, *, folder: Path = ROOT, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(path)!r})\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


def test_every_public_name_is_there_once() -> None:
    assert len(set(metaflow_hera.__all__)) == len(metaflow_hera.__all__)
    assert all(hasattr(metaflow_hera, name) for name in metaflow_hera.__all__)
    assert set(metaflow_hera.__all__) <= set(dir(metaflow_hera))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = metaflow_hera.nothing


def test_type_checkers_know_the_names_that_there_are() -> None:
    tree = ast.parse(Path(metaflow_hera.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}

    assert set(metaflow_hera.__all__) - {"__version__"} <= imported


def test_the_package_itself_imports_nothing() -> None:
    found = run("import metaflow_hera; print([name for name in sys.modules if name.startswith('metaflow_hera.')])")

    assert found.stdout == "[]\n"


def test_a_flow_without_decorators_does_not_load_what_makes_dataclasses() -> None:
    found = run("from metaflow_hera import FlowSpec, Parameter, step\nimport sys; print('dataclasses' in sys.modules)")

    assert found.stdout == "False\n", found.stderr


def test_deploy_is_the_function_whoever_imported_the_room_before() -> None:
    found = run("import metaflow_hera.deploy\nfrom metaflow_hera import deploy\nprint(type(deploy).__name__)")

    assert found.stdout == "function\n", found.stderr


def test_a_file_may_import_what_a_container_has_not_got(tmp_path: Path) -> None:
    rooms = tmp_path / "metaflow_hera"
    rooms.mkdir()
    for file in ("__init__.py", "errors.py"):
        (rooms / file).write_bytes((ROOT / "metaflow_hera" / file).read_bytes())

    found = run("from metaflow_hera import deploy\nprint('imported')\ndeploy()", folder=tmp_path, path=tmp_path)

    assert found.stdout == "imported\n"
    assert found.stderr.endswith("metaflow_hera.deploy() is not for tasks; call it where the flow is deployed\n")


ALIAS = "from metaflow_hera import compat; compat.install(); compat.install()\n"


def test_metaflow_is_this_package() -> None:
    code = """
import metaflow, metaflow.exception, metaflow.client.core, metaflow_hera
from metaflow import FlowSpec, Parameter, current, step
from metaflow.exception import MetaflowException, MetaflowNotFound
from metaflow.metaflow_current import current as same
from metaflow.plugins.catch_decorator import FailureHandledByCatch
from metaflow.plugins.timeout_decorator import TimeoutException
assert FlowSpec is metaflow_hera.FlowSpec and current is same and metaflow.retry is metaflow_hera.retry
assert metaflow.client.core.Run is metaflow_hera.Run and metaflow.__version__ == metaflow_hera.__version__
assert issubclass(TimeoutException, MetaflowException) and issubclass(MetaflowNotFound, MetaflowException)
assert sum(type(finder).__module__ == "metaflow_hera.compat" for finder in sys.meta_path) == 1
assert {"FlowSpec", "exception"} <= set(dir(metaflow)) | {"exception"}
print("well")
"""
    found = run(ALIAS + code)

    assert found.stdout == "well\n", found.stderr


@pytest.mark.parametrize(
    "code", ["from metaflow import Nothing", "import metaflow.nothing", "from metaflow.exception import X"]
)
def test_what_we_do_not_have_is_an_import_error(code: str) -> None:
    assert "Error: " in run(ALIAS + code).stderr.splitlines()[-1]
    assert "Import" in run(ALIAS + code).stderr or "ModuleNotFound" in run(ALIAS + code).stderr


PTH = (ROOT / "metaflow_hera_alias.pth").read_text()


def test_the_finder_of_the_start_of_python_imports_nothing_by_itself() -> None:
    found = run(f"{PTH}\nprint('metaflow_hera' in sys.modules)\nimport metaflow\nprint(metaflow.FlowSpec.__module__)")

    assert found.stdout == "False\nmetaflow_hera.flow.spec\n", found.stderr


def test_the_finder_of_the_start_of_python_is_one_line_that_site_executes() -> None:
    assert PTH.startswith("import ")
    assert PTH.count("\n") == 1


def test_the_real_metaflow_wins_unless_we_run_the_flow(tmp_path: Path) -> None:
    real = tmp_path / "metaflow"
    real.mkdir()
    (real / "__init__.py").write_text("REAL = True\n")
    head = f"sys.path.insert(0, {str(tmp_path)!r})\n"

    assert run(f"{PTH}\n{head}import metaflow; print(metaflow.REAL)").stdout == "True\n"
    assert "No module named 'metaflow.client'" in run(f"{PTH}\n{head}import metaflow.client").stderr
    assert run(f"{head}{ALIAS}import metaflow; print(metaflow.step.__module__)").stdout == "metaflow_hera.flow.steps\n"
