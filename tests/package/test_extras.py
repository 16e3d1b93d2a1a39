"""What decorators and mutators of the user's own bring into a code package, and that containers find it."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from metaflow_hera import deploy
from metaflow_hera.deploy.source import CheckedFlow, check_flow
from metaflow_hera.errors import PackageError
from metaflow_hera.package import CodePackage, build

DECORATORS = """
from metaflow_hera import FlowMutator, StepMutator, user_step_decorator
{more}

@user_step_decorator
def outside(step_name, flow, inputs=None, attributes=None):
    flow.outside = [*getattr(flow, "outside", []), step_name]
    yield
"""

MUTATOR = """
class Packs(FlowMutator):
    def init(self, wish=None):
        self.wish = wish

    def add_to_package(self):
        {body}
"""

FLOW = """
from pathlib import Path
from metaflow_hera import FlowSpec, package_suffixes, step
{imports}

{on_flow}
class PackedFlow(FlowSpec):
    {on_start}
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        {end}
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that modules are imported from, beside that of the flow; what was imported is forgotten."""
    folder = tmp_path / "outside"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = {*sys.modules}
    yield folder
    for name in {*sys.modules} - before:
        del sys.modules[name]


def write(folder: Path, name: str, text: str = "") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def flow_file(tmp_path: Path, imports: str = "", on_flow: str = "", on_start: str = "", end: str = "pass") -> Path:
    text = FLOW.format(imports=imports, on_flow=on_flow, on_start=on_start, end=end)
    return write(tmp_path / "flow", "packed_flow.py", text)


def package(checked: CheckedFlow) -> CodePackage:
    assert checked.file
    return build(checked.file, flow_class=checked.flow_class)


def content(packed: CodePackage, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(packed.data)) as archive:
        return archive.read(name).decode()


def test_the_module_of_a_decorator_from_elsewhere_is_taken_whole(outside: Path, tmp_path: Path) -> None:
    write(outside, "single_deco.py", DECORATORS.format(more=""))
    write(outside, "whole/__init__.py")
    write(outside, "whole/inner/__init__.py")
    write(outside, "whole/inner/deco.py", DECORATORS.format(more="from whole import table"))
    write(outside, "whole/table.py")
    write(outside, "whole/table.csv", "1,2")
    write(outside, "whole/.hidden")
    write(outside, "spread/part/__init__.py")
    write(outside, "spread/part/deco.py", DECORATORS.format(more=""))
    write(outside, "spread/other/big.py")
    flow = flow_file(
        tmp_path,
        imports="import single_deco, whole.inner.deco, spread.part.deco",
        on_start="@single_deco.outside\n    @whole.inner.deco.outside",
    )

    assert package(check_flow(flow)).files == (
        *("packed_flow.py", "single_deco.py", "whole/__init__.py", "whole/inner/__init__.py", "whole/inner/deco.py"),
        *("whole/table.csv", "whole/table.py"),
    )
    with_spread = package(check_flow(flow, with_=["spread.part.deco.outside"])).files
    assert [name for name in with_spread if name.startswith("spread")] == [
        "spread/part/__init__.py",
        "spread/part/deco.py",
    ]


def test_what_lies_beside_the_flow_is_taken_as_ever(outside: Path, tmp_path: Path) -> None:
    write(tmp_path / "flow", "near/__init__.py")
    write(tmp_path / "flow", "near/deco.py", DECORATORS.format(more=""))
    write(tmp_path / "flow", "near/data.csv")
    flow = flow_file(tmp_path, imports="from near.deco import outside", on_start="@outside")

    assert package(check_flow(flow)).files == ("near/__init__.py", "near/deco.py", "packed_flow.py")


def test_the_module_of_a_mutator_that_was_removed_is_still_imported(outside: Path, tmp_path: Path) -> None:
    write(outside, "removed_mutator.py", DECORATORS.format(more="") + "\nclass Gone(StepMutator):\n    pass\n")
    removes = """
class Removes(FlowMutator):
    def pre_mutate(self, flow):
        dict(flow.steps)['start'].remove_decorator('Gone')
"""
    flow = flow_file(
        tmp_path,
        imports=f"from removed_mutator import FlowMutator, Gone\n\n{removes}",
        on_flow="@Removes",
        on_start="@Gone",
    )

    checked = check_flow(flow)
    assert checked.graph["start"].decorators == ()
    assert package(checked).files == ("packed_flow.py", "removed_mutator.py")


def test_a_module_may_ask_for_itself(outside: Path, tmp_path: Path) -> None:
    write(outside, "asks.py", 'METAFLOW_PACKAGE_POLICY = "include"')
    write(outside, "asks_not.py", 'METAFLOW_PACKAGE_POLICY = "exclude"')

    assert package(check_flow(flow_file(tmp_path, imports="import asks, asks_not"))).files == (
        "asks.py",
        "packed_flow.py",
    )


def test_suffixes_of_the_flow_are_added(outside: Path, tmp_path: Path) -> None:
    for name in ("a.csv", "b.txt", "c.json", "d.md"):
        write(tmp_path / "flow", name)
    flow = flow_file(tmp_path, on_flow='@package_suffixes(".csv", ".txt,.json")')

    assert package(check_flow(flow)).files == ("a.csv", "b.txt", "c.json", "packed_flow.py")


def packing(outside: Path, tmp_path: Path, body: str) -> CheckedFlow:
    """A flow whose mutator has that body of `add_to_package`."""
    write(
        outside, "packs.py", DECORATORS.format(more="from pathlib import Path\nimport json") + MUTATOR.format(body=body)
    )
    return check_flow(flow_file(tmp_path, imports="from packs import Packs", on_flow="@Packs"))


def test_files_folders_and_modules_are_added(outside: Path, tmp_path: Path) -> None:
    write(outside, "lock.toml", "locked")
    write(outside, "helpers/__init__.py")
    write(outside, "folder/sub/data.txt", "deep")
    here = "Path(__file__).parent"
    kind = "__import__('metaflow_hera.compat').flow.user_decorators.ContentType.OTHER_CONTENT"
    wishes = f"({here} / 'lock.toml', 'uv.lock', {kind}), (str({here} / 'folder'), 'assets/x'), helpers"
    body = f"import helpers; return [{wishes}]"

    packed = package(packing(outside, tmp_path, body))
    assert packed.files == ("assets/x/sub/data.txt", "helpers/__init__.py", "packed_flow.py", "packs.py", "uv.lock")
    assert content(packed, "uv.lock") == "locked"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return [3]", "add_to_package() of packs.Packs gives 3; give (path, name in the package), or a module"),
        ("return [('x',)]", "add_to_package() of packs.Packs gives ('x',); give (path, name in the package)"),
        ("return [('x', '../x')]", "gives the name '../x'; give one that is relative and has no '..'"),
        ("return [('x', '/x')]", "gives the name '/x'; give one that is relative"),
        ("return [('/no/file', 'x')]", "/no/file: cannot be read for the code package: No such file or directory"),
        ("return 1 / 0", "add_to_package() of packs.Packs raised ZeroDivisionError: division by zero"),
        ("yield __import__('sys')", "the module 'sys' has no file that could go into the code package"),
    ],
)
def test_what_cannot_be_added_is_told(outside: Path, tmp_path: Path, body: str, expected: str) -> None:
    with pytest.raises(PackageError) as caught:
        package(packing(outside, tmp_path, body))
    assert expected in str(caught.value)


def test_two_files_of_one_name_are_refused_unless_they_are_the_same(outside: Path, tmp_path: Path) -> None:
    write(outside, "a/same.py", "x = 1")
    write(outside, "b/same.py", "x = 1")
    write(outside, "b/other.py", "x = 2")
    write(tmp_path / "flow", "mine.py", "mine")
    here = "Path(__file__).parent"
    pairs = [("a/same.py", "one.py"), ("b/same.py", "one.py")]
    clash = [*pairs, ("b/other.py", "one.py"), ("b/other.py", "mine.py")]

    def body(wishes: list[tuple[str, str]]) -> str:
        return f"return [({here} / file, name) for file, name in {wishes}]"

    assert "one.py" in package(packing(outside, tmp_path, body(pairs))).files
    del sys.modules["packs"], sys.modules["packed_flow"]
    with pytest.raises(PackageError) as caught:
        package(packing(outside, tmp_path, body(clash)))
    told = f"{outside}/b/other.py: the code package has"
    assert str(caught.value).splitlines() == [
        f"{told} 'one.py' already, from {outside}/a/same.py; rename one of them",
        f"{told} 'mine.py' already, from a file beside the flow; rename one of them",
    ]


def test_a_container_finds_all_of_it(outside: Path, tmp_path: Path, engine: Any) -> None:
    write(outside, "far/__init__.py")
    write(
        outside,
        "far/deco.py",
        DECORATORS.format(more="from pathlib import Path\nimport far.more")
        + MUTATOR.format(body="yield Path(__file__).parent / 'text.txt', 'texts/far.txt'"),
    )
    write(outside, "far/more.py")
    write(outside, "far/text.txt", "from far")
    flow = flow_file(
        tmp_path,
        imports="from far.deco import Packs, outside",
        on_flow="@Packs",
        on_start="@outside",
        end="self.text = Path('texts/far.txt').read_text()",
    )

    run = deploy(flow, with_=["far.deco.outside"]).trigger().wait()
    assert (run.data.outside, run.data.text) == (["start", "end"], "from far")
