"""What a step leaves, saved as far as it can be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from metaflow_hera.errors import ArtifactError
from metaflow_hera.records.artifacts import save_all
from metaflow_hera.records.values import Ref
from metaflow_hera.store import Store


def save_what_can_be(
    store: Store, values: Mapping[str, object], beside: Iterable[Ref]
) -> tuple[dict[str, Ref], ArtifactError | None]:
    """References to the values, and an error that names every one that cannot be stored, if there is any.

    The others are saved all the same: who looks for the mistake needs them.
    """
    beside = tuple(beside)
    try:
        return save_all(store, values, beside), None
    except ArtifactError:
        saved: dict[str, Ref] = {}
        problems: list[str] = []
        for name, value in values.items():
            try:
                saved |= save_all(store, {name: value}, (*beside, *saved.values()))
            except ArtifactError as error:
                problems.append(str(error))
        return saved, ArtifactError("\n".join(problems))


def told_of_changes(step: str, names: Iterable[str]) -> str:
    """What a person is told of parameters and constants that a step changed in place; empty if there are none."""
    return "".join(
        f"step {step!r} changed self.{name} in place, but it is a parameter or a constant, the same in all steps: no "
        f"other step sees the change; change a copy, and keep that as an artifact with a name of its own\n"
        for name in names
    )
