"""Artifacts: values by name, small ones inside of the record that refers to them, others as objects of their own.

An object of its own is named by a digest of its bytes, so equal values are stored once, by whomever.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from metaflow_hera.errors import ArtifactError, MissingKeyError
from metaflow_hera.naming import data_key
from metaflow_hera.records.values import Dumped, Ref, dump, load_content
from metaflow_hera.records.values import load as load_value
from metaflow_hera.store import Data, Store
from metaflow_hera.store.parallel import each
from metaflow_hera.store.views import slices

INLINE_LIMIT = 1 << 10
"""Bytes of one value that lies in a record."""

INLINE_TOTAL = 1 << 14
"""Bytes of all values that lie in one record: tasks hand on what they inherit, so it must not pile up."""

_LEAF = 1 << 23
_DIGEST_THREADS = 4


def save_all(store: Store, values: Mapping[str, object], beside: Iterable[Ref] = ()) -> dict[str, Ref]:
    """Store the values and return their references, to be put in one record with those *beside*.

    Every value is made storable before any is stored; `ArtifactError` names the artifact that cannot be.
    """
    room = INLINE_TOTAL - sum(len(ref.inline) for ref in beside if ref.inline is not None)
    refs: dict[str, Ref] = {}
    apart: dict[str, Dumped] = {}
    for name, value in values.items():
        dumped = dump(value, name)
        if dumped.size <= min(INLINE_LIMIT, room):
            room -= dumped.size
            refs[name] = Ref(size=dumped.size, type=dumped.type, inline=b"".join(dumped.parts))
        else:
            apart[name] = dumped
    saved = each(store, lambda dumped: _save(store, dumped), tuple(apart.values()))
    refs.update(zip(apart, saved, strict=True))
    return {name: refs[name] for name in values}


def load(store: Store, ref: Ref, name: str = "") -> object:
    """The value behind a reference; *name* is for the error."""
    if ref.encoding:
        return load_content(_data(store, ref, name), ref.encoding, name)
    return load_value(_data(store, ref, name), name, ref.type)


def identity(ref: Ref) -> str:
    """What is equal for references to the same bytes."""
    return ref.digest if ref.inline is None and ref.digest else _sha256(ref.inline or b"").hex()


class LazyValues(Mapping[str, object]):
    """Values that are read when first asked for, once."""

    def __init__(self, store: Store, refs: Mapping[str, Ref]) -> None:
        self._store = store
        self._refs = refs
        self._loaded: dict[str, object] = {}

    def __getitem__(self, name: str) -> object:
        if name not in self._loaded:
            self._loaded[name] = load(self._store, self._refs[name], name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._refs)

    def __len__(self) -> int:
        return len(self._refs)

    def __contains__(self, name: object) -> bool:
        return name in self._refs

    def changed(self) -> list[str]:
        """The names of collections that were read and do not hold any more what is stored, as far as one can tell."""
        return [name for name, value in self._loaded.items() if self._is_changed(name, value)]

    def _is_changed(self, name: str, value: object) -> bool:
        if type(value) not in (dict, list, set):
            return False
        try:
            return bool(value != load(self._store, self._refs[name], name))
        except Exception:  # noqa: BLE001  (objects of the user's, or arrays, that cannot be compared so)
            return False


def digest(parts: Sequence[Data]) -> str:
    """Names the bytes of *parts*, joined: their SHA-256, or, of many bytes, that of the SHA-256 of each 8 MiB.

    The pieces are digested in several threads: on two cores, one alone would take most of the time of a save.
    """
    size = sum(len(part) for part in parts)
    if size <= _LEAF:
        return _sha256(*parts).hex()
    from concurrent.futures import ThreadPoolExecutor  # brings logging; small values never need it

    with ThreadPoolExecutor(min(_DIGEST_THREADS, os.cpu_count() or 1)) as pool:
        leaves = pool.map(lambda leaf: _sha256(*leaf), slices(parts, _LEAF))
        return _sha256(b"8 MiB each\0", *leaves).hex()


def _sha256(*parts: Data) -> bytes:
    import hashlib  # loads OpenSSL, which takes milliseconds; small values never need it

    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.digest()


def put_once(store: Store, name: str, parts: Sequence[Data], size: int) -> None:
    """Write the object that *name*, the `digest` of the parts, names, unless it is there."""
    if not is_there(store, name, size):
        store.put(data_key(name), *parts)


def is_there(store: Store, name: str, size: int) -> bool:
    """Whether there is a content-addressed object of that name and size."""
    # Its last byte, and not only that it exists: a machine that lost power may have kept a part of it.
    key = data_key(name)
    try:
        if size == 0:
            return store.get(key) == b""
        return len(store.get(key, size - 1, size + 1)) == 1
    except MissingKeyError:
        return False


def _save(store: Store, dumped: Dumped) -> Ref:
    name = digest(dumped.parts)
    put_once(store, name, dumped.parts, dumped.size)
    return Ref(size=dumped.size, type=dumped.type, digest=name)


def _data(store: Store, ref: Ref, name: str) -> Data:
    if ref.inline is not None:
        return ref.inline
    key = data_key(ref.digest or "")
    try:
        data = store.get(key)
    except MissingKeyError as error:
        raise ArtifactError(f"artifact {name!r} is gone: {error}; someone deleted it from the datastore") from error
    if len(data) != ref.size:
        raise ArtifactError(
            f"artifact {name!r} is damaged: {key} in {store.uri} has {len(data)} of {ref.size} bytes; rerun its step"
        )
    return data
