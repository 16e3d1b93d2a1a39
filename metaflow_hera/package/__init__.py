"""The code package: what a container needs to run a step, in one archive that is the same for the same files.

At its root lie the user's files, as they lie beside the flow's file; below `OWN_FOLDER`, which no folder of the user's
can be, the part of this package that a container imports. It is a plain zip, for operators to look into.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from metaflow_hera.errors import PackageError
from metaflow_hera.flow.launch import Launch
from metaflow_hera.naming import data_key
from metaflow_hera.package.archive import Member, pack, unpack
from metaflow_hera.package.extras import suffixes_of, with_extras
from metaflow_hera.package.files import DEFAULT_SUFFIXES, user_members
from metaflow_hera.package.rooms import LAUNCH, OWN_FOLDER, file_list, own_members
from metaflow_hera.store import ABSENT, Store

__all__ = ["OWN_FOLDER", "CodePackage", "NotebookSource", "build", "unpack", "upload"]

_WORTH_TELLING = (10_000, 100 * 2**20)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookSource:
    """A flow that was never saved in a file: the text of its module, and the folder whose files it may import."""

    file: str
    text: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePackage:
    """An archive and what is in it; *digest* names the content."""

    data: bytes
    digest: str
    flow_file: str
    """The flow's file, relative to the root of the archive."""
    files: tuple[str, ...]
    """The user's files, sorted."""
    size: int
    """Bytes of the user's files."""

    @property
    def key(self) -> str:
        return data_key(self.digest)

    @property
    def notice(self) -> str | None:
        """What a person should know about a package of unusual size, else None."""
        if len(self.files) < _WORTH_TELLING[0] and self.size < _WORTH_TELLING[1]:
            return None
        return (
            f"the code package holds {len(self.files):,} files, {self.size / 2**20:,.1f} MiB "
            f"({len(self.data) / 2**20:,.1f} MiB compressed), which every task downloads; put the flow "
            "into a folder of its own if it needs less"
        )


def build(
    source: Path | NotebookSource,
    suffixes: Sequence[str] = DEFAULT_SUFFIXES,
    exclude: Iterable[Path] = (),
    launch: Launch | None = None,
    flow_class: type | None = None,
) -> CodePackage:
    """The code package of the flow in *source*; *exclude* names folders to leave out, such as the data directory.

    What decorators and mutators on *flow_class* need is in it, wherever it lies. `PackageError` names every file that
    cannot be read.
    """
    if isinstance(source, NotebookSource):
        root, flow_member = source.folder, Member(source.file, source.text.encode())
    else:
        root, flow_member = source.parent, _flow_member(source)
    suffixes = (*suffixes, *(suffixes_of(flow_class) if flow_class else ()))
    members = {member.name: member for member in (*user_members(root, suffixes, exclude), flow_member)}
    members = with_extras(flow_class, members) if flow_class else members
    own = (*own_members(), file_list(members.values()), *_launch_member(launch or Launch()))
    data = pack((*members.values(), *own))
    return CodePackage(
        data=data,
        digest=hashlib.sha256(data).hexdigest(),
        flow_file=flow_member.name,
        files=tuple(sorted(members)),
        size=sum(len(member.data) for member in members.values()),
    )


def upload(store: Store, package: CodePackage) -> str:
    """Put the package where containers find it, unless it is there; return its key."""
    if store.head(package.key) == ABSENT:
        store.put(package.key, package.data)
    return package.key


def _launch_member(launch: Launch) -> Iterator[Member]:
    """The member `LAUNCH`, which only a flow with choices has: the same code has the same package."""
    if launch != Launch():
        yield Member(LAUNCH, launch.to_bytes())


def _flow_member(file: Path) -> Member:
    """The flow's own file belongs to the package whatever its name is."""
    try:
        return Member(file.name, file.read_bytes(), bool(file.stat().st_mode & 0o100))
    except OSError as error:
        raise PackageError(f"{file}: cannot be read for the code package: {error.strerror}") from error
