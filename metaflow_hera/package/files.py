"""Which of the user's files go into the code package."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from metaflow_hera.errors import PackageError
from metaflow_hera.package.archive import Member

DEFAULT_SUFFIXES = (".py",)
MAX_FILES = 60_000
"""Python imports from archives of less than 65,536 files."""
MAX_BYTES = 2**30

_NOISE = frozenset({"__pycache__", "node_modules", "__pypackages__", "site-packages"})
# What tells an environment of venv or conda from a folder of the user's.
_ENVIRONMENT_MARKS = frozenset({"pyvenv.cfg", "conda-meta"})


def user_members(root: Path, suffixes: Sequence[str], exclude: Iterable[Path]) -> Iterator[Member]:
    """The files below *root* whose names end in one of *suffixes* (in whatever case), read.

    Left out are hidden files and folders, Python environments, caches, and *exclude*. Links are followed wherever they
    lead, but never into a folder that they lie in. A hidden file is taken if its whole name is one of the suffixes.
    """
    walk = _Walk(
        tuple(suffix.lower() for suffix in suffixes), frozenset(map(_identity, filter(os.path.exists, exclude)))
    )
    members, problems, size = [], [], 0
    for path, name in walk.files(os.fspath(root)):
        try:
            with open(path, "rb") as file:  # noqa: PTH123  (a Path for each of ten thousand files is a second)
                member = Member(name, file.read(), bool(os.fstat(file.fileno()).st_mode & 0o100))
        except OSError as error:
            problems.append(f"{path}: cannot be read for the code package: {error.strerror}")
            continue
        if "\n" in name or not name.isprintable():
            problems.append(f"{path!r}: a name with characters that cannot be printed has no place in the code package")
        members.append(member)
        size += len(member.data)
        _refuse_too_much(root, members, size)
    if problems := [*walk.problems, *problems]:
        raise PackageError("\n".join(problems))
    return iter(members)


class _Walk:
    """One walk over a tree of folders; what could not be listed is in *problems* afterwards."""

    def __init__(self, suffixes: tuple[str, ...], excluded: frozenset[tuple[int, int]]) -> None:
        self.suffixes = suffixes
        self.excluded = excluded
        self.problems: list[str] = []

    def files(self, root: str) -> Iterator[tuple[str, str]]:
        """Each wanted file: its path, and its path below *root* with ``/`` between the parts."""
        folders = [(root, "", frozenset((_identity(root),)))]
        while folders:
            folder, prefix, above = folders.pop()
            entries = self._entries(folder)
            if prefix and any(entry.name in _ENVIRONMENT_MARKS for entry in entries):
                continue
            for entry in entries:
                if _is_folder(entry):
                    identity = _identity(entry.path)
                    if self._is_wanted_folder(entry.name) and identity not in above | self.excluded:
                        folders.append((entry.path, f"{prefix}{entry.name}/", above | {identity}))
                elif self._is_wanted_file(entry.name) and Path(entry.path).is_file():
                    yield entry.path, prefix + entry.name

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as found:
                return list(found)
        except OSError as error:
            self.problems.append(f"{folder}: cannot be listed for the code package: {error.strerror}")
            return []

    def _is_wanted_folder(self, name: str) -> bool:
        return not name.startswith(".") and name not in _NOISE

    def _is_wanted_file(self, name: str) -> bool:
        return name in self.suffixes if name.startswith(".") else name.lower().endswith(self.suffixes)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _identity(path: str | Path) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116
    return status.st_dev, status.st_ino


def _refuse_too_much(root: Path, members: list[Member], size: int) -> None:
    if len(members) <= MAX_FILES and size <= MAX_BYTES:
        return
    weights = Counter[str]()
    for member in members:
        weights[member.name.rpartition("/")[0] or "."] += 1 + len(member.data) * MAX_FILES // MAX_BYTES
    heaviest = weights.most_common(1)[0][0]
    raise PackageError(
        f"{root}: more than {MAX_FILES:,} files or {MAX_BYTES // 2**20:,} MiB would go into the code package, most "
        f"of them below {heaviest!r}; put the flow into a folder of its own, or that folder elsewhere"
    )
