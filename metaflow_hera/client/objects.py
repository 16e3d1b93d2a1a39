"""What all objects of the Client have in common: a place in the tree of flows, runs, steps, tasks and artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

from metaflow_hera.client.datastores import opened, opened_store
from metaflow_hera.client.namespaces import get_namespace
from metaflow_hera.errors import InvalidPathError, NotFoundError, WrongNamespaceError
from metaflow_hera.graph.as_json import from_json
from metaflow_hera.graph.model import Graph
from metaflow_hera.naming import RunKeys, pathspec
from metaflow_hera.records import runs, tags
from metaflow_hera.records.run import RunRecord
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store

Child = TypeVar("Child", bound="ClientObject[Any]")

_PARTS = ("FlowName", "RunID", "StepName", "TaskID", "ArtifactName")
_SHOWN = 5

# By the number of parts in a path: filled when the classes are made, and read only after.
_CLASSES: dict[int, type[ClientObject[Any]]] = {}


class ClientObject(Generic[Child]):
    """An object of the tree that exists; it holds its path, and reads everything else when asked.

    *store* is that of the settings by default; a run that is not in the current namespace is refused, unless
    *namespace_check* is off.
    """

    depth: ClassVar[int]
    _store: Store
    _parts: tuple[str, ...]
    _attempt: int | None
    _checks: bool = True
    """Whether what is found below is refused if it is not in the current namespace."""

    def __init_subclass__(cls, depth: int = 0) -> None:
        if depth:
            cls.depth = depth
            _CLASSES[depth] = cls

    def __init__(
        self, path: str, *, attempt: int | None = None, store: Store | None = None, namespace_check: bool = True
    ) -> None:
        parts = tuple(path.split("/")) if isinstance(path, str) else ()
        if len(parts) != self.depth or not all(parts):
            expected, name = "/".join(_PARTS[: self.depth]), type(self).__name__
            raise InvalidPathError(f"{name} expects {name}({expected!r}), got {path!r}")
        self._place(store or opened_store(), parts, _checked_attempt(self, attempt))
        self._checks = namespace_check
        self._check_exists()
        if namespace_check:
            self._check_namespace()

    @classmethod
    def _at(cls, store: Store, parts: tuple[str, ...], attempt: int | None = None, *, checks: bool = True) -> Self:
        """An object that is known to exist and to be seen."""
        made = cls.__new__(cls)
        made._place(store, parts, attempt)
        made._checks = checks
        return made

    def _place(self, store: Store, parts: tuple[str, ...], attempt: int | None) -> None:
        self._store, self._parts, self._attempt = store, parts, attempt

    @property
    def id(self) -> str:
        """The last part of the path."""
        return self._parts[-1]

    @property
    def pathspec(self) -> str:
        return pathspec(*self._parts)

    @property
    def path_components(self) -> list[str]:
        return list(self._parts)

    @property
    def _parent(self) -> Any:
        parts = self._parts[:-1]
        attempt = self._attempt if self.depth == len(_PARTS) else None
        return _CLASSES[len(parts)]._at(self._store, parts, attempt, checks=self._checks)

    def __iter__(self) -> Iterator[Child]:
        """What is directly below, the newest first."""
        return (self._child(name) for name in self._ids())

    def __getitem__(self, id: str | int) -> Child:
        """`NotFoundError`, which is a KeyError, if there is none."""
        return self._existing(str(id))

    def __contains__(self, id: object) -> bool:
        try:
            self._existing(str(id))
        except NotFoundError:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClientObject) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __repr__(self) -> str:
        attempt = "" if self._attempt is None else f", attempt={self._attempt}"
        return f"{type(self).__name__}({self.pathspec!r}{attempt})"

    def __reduce__(self) -> tuple[Any, tuple[str, str, str, int | None]]:
        # With its datastore, whichever is that of who unpickles it, and in whichever namespace.
        return _unpickled, (type(self).__name__, self._store.uri, self.pathspec, self._attempt)

    @property
    def _identity(self) -> tuple[str, str, int | None]:
        return self._store.uri, self.pathspec, self._attempt

    def _child(self, id: str) -> Child:
        found = _CLASSES[self.depth + 1]._at(self._store, (*self._parts, id), self._attempt, checks=self._checks)
        return cast(Child, found)

    def _existing(self, id: str) -> Child:
        child = self._child(id)
        child._check_exists()
        return child

    def _ids(self) -> Iterable[str]:
        """The names of what is directly below, the newest first."""
        raise AssertionError("every class says what is below it")

    def _check_exists(self) -> None:
        """`NotFoundError` if there is no such object."""
        raise AssertionError("every class says how it is found")

    def _check_namespace(self) -> None:
        """`WrongNamespaceError` if this process does not see the run."""
        raise AssertionError("every class says what is seen of it")


class OfRun(ClientObject[Child]):
    """A run, or something of one: its tags, and whether it is seen, are those of the run."""

    @property
    def _keys(self) -> RunKeys:
        return RunKeys(self._parts[0], self._parts[1])

    @cached_property
    def _run(self) -> RunRecord:
        record = runs.read(self._store, *self._parts[:2])
        if record is None:
            raise NotFoundError(
                f"{self.pathspec} cannot be read: its run is not in {self._store.uri}; it was removed, or never was "
                "there, as one that Metaflow recorded, which cannot be read here"
            )
        return record

    @cached_property
    def _graph(self) -> Graph:
        return from_json(self._run.graph)

    @property
    def user_tags(self) -> frozenset[str]:
        return frozenset(tags.read(self._store, self._keys, self._run))

    @property
    def system_tags(self) -> frozenset[str]:
        return frozenset(self._run.system_tags)

    @property
    def tags(self) -> frozenset[str]:
        return self.user_tags | self.system_tags

    @property
    def origin_pathspec(self) -> str | None:
        """The same object of the run that this one resumed."""
        origin = self._run.origin
        return pathspec(self._parts[0], origin, *self._parts[2:]) if origin else None

    def is_in_namespace(self) -> bool:
        seen = get_namespace()
        return seen is None or seen in self._run.system_tags or seen in self.user_tags

    def _check_namespace(self) -> None:
        if not self.is_in_namespace():
            others = sorted(tag for tag in self.system_tags if tag.startswith(("user:", "production:")))
            raise WrongNamespaceError(
                f"{self!r} is not in namespace {get_namespace()!r} but has {', '.join(others) or 'no such tag'}; call "
                f"namespace({others[0] if others else None!r}) or namespace(None) first"
            )


def nearest(wanted: str, there: Iterable[str], what: str) -> str:
    """For an error: what there is instead of *wanted*, the most alike first.

    >>> nearest("strat", ["end", "start"], "steps")
    "steps are 'start', 'end'"
    """
    names = list(there)
    if not names:
        return f"it has no {what}"
    alike = get_close_matches(wanted, names, n=_SHOWN)
    shown = list(dict.fromkeys([*alike, *names]))
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return f"{what} are {', '.join(map(repr, shown[:_SHOWN]))}{more}"


def local_time(seconds: float) -> datetime:
    """A time as the peer tells it: of this machine's time zone, without saying so."""
    return datetime.fromtimestamp(seconds)


def _checked_attempt(of: ClientObject[Any], attempt: object) -> int | None:
    if attempt is None:
        return None
    if of.depth < _PARTS.index("TaskID") + 1:
        raise NotFoundError("an attempt can be asked for with Task and DataArtifact only")
    if not isinstance(attempt, int) or attempt < 0:
        raise NotFoundError(f"an attempt is a number from 0, not {attempt!r}")
    return attempt


def _unpickled(name: str, uri: str, path: str, attempt: int | None) -> ClientObject[Any]:
    kind = next(known for known in _CLASSES.values() if known.__name__ == name)
    store = opened(replace(Settings.load(), datastore=uri), Path.cwd())
    return kind._at(store, tuple(path.split("/")), attempt, checks=False)
