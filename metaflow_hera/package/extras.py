"""What decorators and mutators of the user's own bring into a code package: their modules, and what they ask for."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any, NamedTuple

from metaflow_hera.errors import MetaflowHeraError, PackageError
from metaflow_hera.flow.steps import is_step, steps_of
from metaflow_hera.flow.user_decorators import made, package_suffixes, path_of
from metaflow_hera.flow.written import flow_written, written_on
from metaflow_hera.graph.model import DecoratorSpec
from metaflow_hera.package.archive import Member
from metaflow_hera.package.files import user_members

POLICY = "METAFLOW_PACKAGE_POLICY"
"""The attribute of a module that is ``"include"`` in those that belong to every package."""

_ALL_FILES = ("",)


class Extra(NamedTuple):
    """A file for the package, and where it is from."""

    member: Member
    origin: str


def suffixes_of(flow_class: type) -> tuple[str, ...]:
    """What `package_suffixes` asks for."""
    given = (spec.arguments for spec in _own(flow_class) if spec.kind is package_suffixes)
    return tuple(part.strip() for texts in given for text in texts for part in str(text).split(",") if part.strip())


def with_extras(flow_class: type, members: Mapping[str, Member]) -> dict[str, Member]:
    """The members of a package with what its flow needs besides; `PackageError` for two files of one name."""
    found = dict(members)
    origins: dict[str, str] = {}
    problems: list[str] = []
    for extra in _extras(flow_class, members):
        name, there = extra.member.name, found.get(extra.member.name)
        if there is not None and there.data != extra.member.data:
            other = origins.get(name, "a file beside the flow")
            problems.append(f"{extra.origin}: the code package has {name!r} already, from {other}; rename one of them")
        found.setdefault(name, extra.member)
        origins.setdefault(name, extra.origin)
    if problems:
        raise PackageError("\n".join(problems))
    return found


def _own(flow_class: type) -> list[DecoratorSpec]:
    """The decorators and mutators that users wrote, as their flow is launched."""
    of_flow = [spec for _, specs in flow_written(flow_class) for spec in specs]
    of_steps = [spec for step in steps_of(flow_class).values() for spec in written_on(step)]
    return [spec for spec in (*of_flow, *of_steps) if spec.kind is not None]


def _modules(flow_class: type) -> Iterator[str]:
    """The modules of all that users wrote on the flow; also of what a mutator removed, which its file imports."""
    targets = (target for base in flow_class.__mro__ for target in (base, *filter(is_step, vars(base).values())))
    yield from (spec.kind.__module__ for target in targets for spec in written_on(target) if spec.kind is not None)
    yield from (spec.kind.__module__ for spec in _own(flow_class))
    yield from (name for name, module in [*sys.modules.items()] if _asks_for_itself(module))


def _extras(flow_class: type, members: Mapping[str, Member]) -> Iterator[Extra]:
    for name in dict.fromkeys(_modules(flow_class)):
        if name not in ("__main__", flow_class.__module__) and not name.startswith("metaflow_hera."):
            yield from _module(name, members)
    for spec in {id(spec): spec for spec in _own(flow_class)}.values():
        for wish in _wishes(spec):
            yield from _wished(spec, wish, members)


def _asks_for_itself(module: object) -> bool:
    return isinstance(module, ModuleType) and vars(module).get(POLICY) == "include"


def _module(name: str, members: Mapping[str, Member]) -> Iterator[Extra]:
    """The file of a module, or the whole package that it is in; nothing if that lies beside the flow."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        file = getattr(sys.modules[".".join(parts[:depth])], "__file__", None)
        if file:  # above are packages without a file of their own, of which others may have a part
            yield from _unless_there(PurePosixPath(*parts[:depth]), Path(file), members)
            return
    raise PackageError(f"the module {name!r} has no file that could go into the code package")


def _unless_there(place: PurePosixPath, file: Path, members: Mapping[str, Member]) -> Iterator[Extra]:
    is_package = file.stem == "__init__"
    name = f"{place}/{file.name}" if is_package else f"{place.parent / file.name}"
    own = _read(file, name)
    if (there := members.get(name)) is not None and there.data == own.member.data:
        return
    yield from _folder(file.parent, f"{place}") if is_package else (own,)


def _wishes(spec: DecoratorSpec) -> list[Any]:
    try:
        return list((spec.made or made(spec)).add_to_package())
    except MetaflowHeraError:
        raise
    except Exception as error:  # the user's method may raise anything
        raise PackageError(
            f"add_to_package() of {path_of(spec.kind)} raised {type(error).__name__}: {error}"
        ) from error


def _wished(spec: DecoratorSpec, wish: Any, members: Mapping[str, Member]) -> Iterator[Extra]:
    where = f"add_to_package() of {path_of(spec.kind)}"
    first, *rest = wish if isinstance(wish, tuple | list) and wish else (wish,)
    if isinstance(first, ModuleType):
        yield from _module(first.__name__, members)
        return
    if not isinstance(first, str | Path) or not rest or not isinstance(rest[0], str | PurePosixPath):
        raise PackageError(f"{where} gives {wish!r}; give (path, name in the package), or a module")
    name = PurePosixPath(rest[0])
    if name.is_absolute() or ".." in name.parts or not name.parts:
        raise PackageError(f"{where} gives the name {str(name)!r}; give one that is relative and has no '..'")
    path = Path(first)
    yield from _folder(path, str(name)) if path.is_dir() else (_read(path, str(name)),)


def _folder(folder: Path, name: str) -> Iterable[Extra]:
    """All files of a folder but hidden ones and caches."""
    found = user_members(folder, _ALL_FILES, ())
    return [Extra(member._replace(name=f"{name}/{member.name}"), f"{folder / member.name}") for member in found]


def _read(file: Path, name: str) -> Extra:
    try:
        return Extra(Member(name, file.read_bytes(), bool(file.stat().st_mode & 0o100)), str(file))
    except OSError as error:
        raise PackageError(f"{file}: cannot be read for the code package: {error.strerror}") from error
