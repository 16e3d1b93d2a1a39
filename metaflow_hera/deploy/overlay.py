"""A run of one datastore laid over a run of another: what it has not got itself, it has from there."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from metaflow_hera.errors import MissingKeyError
from metaflow_hera.naming import DATA_PREFIX, RunKeys
from metaflow_hera.store import ABSENT, Data, Store, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """A store: everything is written to *front*; what is not there is read from *back*.

    The tasks of *run* are those of *origin* there, but for what is below *own*; values have the same names in both.
    """

    front: Store
    back: Store
    run: RunKeys
    origin: RunKeys
    own: str

    @property
    def uri(self) -> str:
        return self.front.uri

    @property
    def parallelism(self) -> int:
        return max(self.front.parallelism, self.back.parallelism)

    def put(self, key: str, *parts: Data, expect: Version | None = None) -> Version:
        return self.front.put(key, *parts, expect=expect)

    def get(self, key: str, start: int = 0, end: int | None = None) -> Data:
        try:
            return self.front.get(key, start, end)
        except MissingKeyError:
            behind = self._behind(key)
            if behind is None:
                raise
        return self.back.get(behind, start, end)

    def head(self, key: str) -> Version:
        version = self.front.head(key)
        behind = self._behind(key) if version == ABSENT else None
        return version if behind is None else self.back.head(behind)

    def keys(self, prefix: str, *, deep: bool = True) -> Iterator[str]:
        behind = self._behind(prefix)
        others = iter(()) if behind is None else self.back.keys(behind, deep=deep)
        ahead = (prefix + key.removeprefix(behind or "") for key in others)
        visible = (key for key in ahead if not key.startswith(self.own))
        merged = heapq.merge(self.front.keys(prefix, deep=deep), visible)
        return (key for key, _ in groupby(merged))

    def _behind(self, key: str) -> str | None:
        """The key, or the beginning of keys, that stands for *key* in *back*; None if nothing does."""
        if key.startswith(DATA_PREFIX):
            return key
        if not key.startswith(self.run.prefix) or key.startswith(self.own):
            return None
        return self.origin.prefix + key.removeprefix(self.run.prefix)
