"""Reading the mappings of a manifest so that nothing in them is overlooked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from metaflow_hera.errors import ManifestError, NamingError

T = TypeVar("T")


class Fields:
    """One mapping of a manifest, while it is being read: what nobody took by the end of the `with` is refused.

    >>> with Fields({"image": "x", "sidecars": []}, "template 'a'") as fields:
    ...     fields.text("image")
    Traceback (most recent call last):
    metaflow_hera.errors.ManifestError: template 'a': 'sidecars' is not in our subset of Argo
    """

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            raise ManifestError(f"{where} must be a mapping, not {value!r}")
        self.where = where
        self._left: dict[str, Any] = dict(value)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._left:
            names = ", ".join(map(repr, self._left))
            raise ManifestError(
                f"{self.where}: {names} {'is' if len(self._left) == 1 else 'are'} not in our subset of Argo"
            )

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def ignore(self, *names: str) -> None:
        """Take what says nothing about the Plan."""
        for name in names:
            self._left.pop(name, None)

    def empty(self, *names: str) -> None:
        """Take mappings that say nothing: Argo's server writes them where a template has none."""
        for name in names:
            with self.inner(name):
                pass

    def text(self, name: str, default: str | None = None) -> str:
        """A text; without *default* it must be there."""
        return str(self._take(name, str, "a text", default))

    def number(self, name: str) -> int | None:
        """A whole number, or a text with one, as Argo takes either; None if there is none."""
        value = self._left.pop(name, None)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise self._wrong(name, value, "a whole number")
        return value

    def expect(self, name: str, value: object) -> None:
        """Take a field that says the same in all our manifests."""
        found = self._left.pop(name, None)
        if found != value:
            raise ManifestError(f"{self.where}: {name!r} is {found!r}; our subset of Argo has {value!r} there only")

    def texts(self, name: str) -> dict[str, str]:
        """A mapping of texts to texts, empty if it is not there."""
        value = self.mapping(name)
        if not all(isinstance(text, str) for pair in value.items() for text in pair):
            raise self._wrong(name, value, "a mapping of texts")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        """A mapping as it is, empty if it is not there."""
        return dict(self._take(name, Mapping, "a mapping", {}))

    def inner(self, name: str) -> Fields:
        """A mapping to be read in turn; an absent one reads as empty."""
        return Fields(self.mapping(name), f"{self.where}: {name}")

    def items(self, name: str) -> list[Any]:
        """A list, empty if it is not there."""
        return list(self._take(name, list, "a list", []))

    def all_inner(self, name: str) -> Iterator[Fields]:
        """The mappings of a list, each to be read in turn; they go by their names where they have one."""
        for number, item in enumerate(self.items(name)):
            known_as = item.get("name", number) if isinstance(item, Mapping) else number
            yield Fields(item, f"{self.where}: {name} {known_as!r}")

    def read(self, name: str, reader: Callable[[str], T]) -> T | None:
        """What *reader* makes of a text, None if it is not there; its errors get the place."""
        if name not in self._left:
            return None
        try:
            return reader(self.text(name))
        except (ManifestError, NamingError) as error:
            raise ManifestError(f"{self.where}: {name}: {error}") from error

    def _take(self, name: str, kind: type[Any], meaning: str, default: Any) -> Any:
        value = self._left.pop(name, default)
        if value is None:
            raise ManifestError(f"{self.where}: {name!r} is missing")
        if not isinstance(value, kind):
            raise self._wrong(name, value, meaning)
        return value

    def _wrong(self, name: str, value: object, meaning: str) -> ManifestError:
        return ManifestError(f"{self.where}: {name!r} must be {meaning}, not {value!r}")
