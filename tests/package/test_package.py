"""What goes into a code package, and that equal files give equal bytes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from metaflow_hera.errors import PackageError
from metaflow_hera.package import NotebookSource, build, unpack, upload
from metaflow_hera.package import files as package_files
from metaflow_hera.store.directory import DirectoryStore


def write(root: Path, *names: str) -> Path:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# {name}\n")
    return root / names[0]


def names_in(data: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.namelist()


def test_python_files_below_the_folder_of_the_flow_are_taken(tmp_path: Path) -> None:
    flow = write(tmp_path, "flow.py", "model.py", "lib/deep/er.py", "data.csv", "README.md", "UPPER.PY")
    assert build(flow).files == ("UPPER.PY", "flow.py", "lib/deep/er.py", "model.py")


def test_other_suffixes_are_taken_when_asked_for_in_any_case(tmp_path: Path) -> None:
    flow = write(tmp_path, "flow.py", "a.SQL", "b.sql", "c.csv", "Dockerfile")
    assert build(flow, (".py", ".sql", "dockerfile")).files == ("Dockerfile", "a.SQL", "b.sql", "flow.py")


def test_hidden_files_environments_and_caches_are_left_out(tmp_path: Path) -> None:
    flow = write(
        tmp_path,
        "flow.py",
        ".hidden.py",
        ".git/hook.py",
        ".mfhera/pods/x/code/flow.py",
        "env/pyvenv.cfg",
        "env/lib/python3.11/x.py",
        "conda/conda-meta/history.py",
        "conda/lib/y.py",
        "node_modules/gyp/z.py",
        "__pycache__/w.py",
    )
    assert build(flow).files == ("flow.py",)


def test_a_hidden_file_is_taken_if_its_whole_name_is_a_suffix(tmp_path: Path) -> None:
    flow = write(tmp_path, "flow.py", ".env", ".other.env")
    assert build(flow, (".py", ".env")).files == (".env", "flow.py")


def test_a_flow_in_a_hidden_folder_or_an_environment_is_packaged(tmp_path: Path) -> None:
    flow = write(tmp_path, ".flows/flow.py", ".flows/pyvenv.cfg", ".flows/model.py")
    assert build(flow).files == ("flow.py", "model.py")


def test_excluded_folders_are_left_out(tmp_path: Path) -> None:
    flow = write(tmp_path, "flow.py", "state/pods/1/flow.py")
    assert build(flow, exclude=[tmp_path / "state", tmp_path / "not there"]).files == ("flow.py",)


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    flow = write(tmp_path, "project/flow.py", "project/lib/a.py", "shared/b.py")
    (tmp_path / "project/common").symlink_to(tmp_path / "shared")
    (tmp_path / "project/lib/up").symlink_to(tmp_path / "project")
    (tmp_path / "project/itself").symlink_to("itself")
    (tmp_path / "project/gone.py").symlink_to("nowhere.py")
    (tmp_path / "project/c.py").symlink_to(tmp_path / "shared/b.py")
    assert build(flow).files == ("c.py", "common/b.py", "flow.py", "lib/a.py")


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    flow = write(tmp_path, "flow.py")
    os.mkfifo(tmp_path / "pipe.py")
    assert build(flow).files == ("flow.py",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_every_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    flow = write(tmp_path, "flow.py", "a.py", "sub/b.py")
    (tmp_path / "a.py").chmod(0)
    (tmp_path / "sub").chmod(0)
    with pytest.raises(PackageError) as raised:
        build(flow)
    assert str(tmp_path / "a.py") in str(raised.value)
    assert str(tmp_path / "sub") in str(raised.value)


def test_a_missing_flow_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"nothing\.py"):
        build(tmp_path / "nothing.py")


def test_equal_files_give_equal_bytes_whatever_their_times_and_modes(tmp_path: Path) -> None:
    one = write(tmp_path / "one", "flow.py", "b.py", "a.py")
    other = write(tmp_path / "other", "flow.py", "a.py", "b.py")
    for number, file in enumerate(other.parent.iterdir()):
        os.utime(file, (number, number))
        file.chmod(0o600)
    assert build(one) == build(other)


def test_equal_files_give_equal_bytes_in_another_process(tmp_path: Path) -> None:
    flow = write(tmp_path, "flow.py")
    code = """
import hera.workflows, boto3, pathlib, sys
from metaflow_hera.package import build
print(build(pathlib.Path(sys.argv[1])).digest)
"""
    command = [sys.executable, "-W", "ignore", "-c", code, str(flow)]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert build(flow).digest == other


def test_changed_files_give_another_digest(tmp_path: Path) -> None:
    flow = write(tmp_path, "flow.py")
    before = build(flow).digest
    flow.write_text("changed")
    assert build(flow).digest != before


def test_an_executable_file_stays_one(tmp_path: Path) -> None:
    flow = write(tmp_path, "flow.py", "tool.sh")
    (tmp_path / "tool.sh").chmod(0o755)
    unpack(build(flow, (".py", ".sh")).data, tmp_path / "out")
    assert os.access(tmp_path / "out/tool.sh", os.X_OK)
    assert not os.access(tmp_path / "out/flow.py", os.X_OK)


def test_our_own_rooms_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    inside = names_in(build(write(tmp_path, "flow.py", "metaflow_hera/mine.py")).data)
    ours = [name for name in inside if name.startswith(".mfhera/")]
    assert ".mfhera/metaflow_hera/runtime/bootstrap.py" in ours
    assert not [name for name in ours if name.split("/")[2:3] in (["cli"], ["argo"], ["plan"], ["engine"], ["deploy"])]
    assert [name for name in inside if not name.startswith(".mfhera/")] == ["flow.py", "metaflow_hera/mine.py"]


def test_rooms_are_imported_out_of_the_package_without_being_compiled(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.write_bytes(build(write(tmp_path / "flow", "flow.py")).data)
    code = "import metaflow_hera.naming as n; print(n.__cached__); n.IndexPath.parse('x', 0)"
    environment = {"PYTHONPATH": str(package / ".mfhera")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip() == str(package / ".mfhera/metaflow_hera/naming.pyc")
    assert 'File "metaflow_hera/naming.py"' in done.stderr


def test_a_name_that_cannot_be_printed_is_refused(tmp_path: Path) -> None:
    flow = write(tmp_path, "flow.py", "two\nlines.py")
    with pytest.raises(PackageError, match="cannot be printed"):
        build(flow)


def test_names_of_any_script_and_long_paths_survive(tmp_path: Path) -> None:
    long = "/".join(["folder" * 10] * 5) + "/größe_☃.py"
    flow = write(tmp_path, "flow.py", long)
    package = build(flow)
    unpack(package.data, tmp_path / "out")
    assert package.files == ("flow.py", long)
    assert (tmp_path / "out" / long).read_text() == f"# {long}\n"


def test_a_flow_in_a_notebook_becomes_a_file_beside_those_of_its_folder(tmp_path: Path) -> None:
    write(tmp_path, "helper.py", "notebook.ipynb")
    package = build(NotebookSource(file="my_flow.py", text="x = 'é'\n", folder=tmp_path))
    unpack(package.data, tmp_path / "out")
    assert (package.flow_file, package.files) == ("my_flow.py", ("helper.py", "my_flow.py"))
    assert (tmp_path / "out/my_flow.py").read_bytes() == "x = 'é'\n".encode()


def test_a_flow_file_is_taken_whatever_its_suffix(tmp_path: Path) -> None:
    package = build(write(tmp_path, "flow.txt"))
    assert (package.flow_file, package.files) == ("flow.txt", ("flow.txt",))


def test_a_package_is_uploaded_once_under_its_digest(tmp_path: Path) -> None:
    store = DirectoryStore.open(str(tmp_path / "store"))
    package = build(write(tmp_path / "flow", "flow.py"))
    key = upload(store, package)
    version = store.head(key)
    assert upload(store, package) == key
    assert key.endswith(package.digest)
    assert store.head(key) == version
    assert bytes(store.get(key)) == package.data


def test_bytes_that_are_no_package_are_refused(tmp_path: Path) -> None:
    for data in (b"", b"not an archive", build(write(tmp_path, "flow.py")).data[:2000]):
        with pytest.raises(PackageError, match="cannot be unpacked"):
            unpack(data, tmp_path / "out")


def test_ten_thousand_files_are_packaged_in_seconds_and_told(tmp_path: Path) -> None:
    flow = write(tmp_path, "flow.py")
    for folder in range(100):
        (tmp_path / f"f{folder}").mkdir()
        for number in range(100):
            (tmp_path / f"f{folder}/m{number}.py").write_bytes(b"x = 1\n")
    begin = time.monotonic()
    package = build(flow)
    assert time.monotonic() - begin < 30
    assert "10,001 files" in (package.notice or "")


def test_a_package_of_usual_size_needs_no_notice(tmp_path: Path) -> None:
    assert build(write(tmp_path, "flow.py")).notice is None


def test_too_much_is_refused_with_the_place_that_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = write(tmp_path, "flow.py", *(f"big/{number}.py" for number in range(20)))
    monkeypatch.setattr(package_files, "MAX_FILES", 10)
    with pytest.raises(PackageError, match="below 'big'"):
        build(flow)
