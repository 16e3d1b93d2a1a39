"""Which runs this process sees: those with a certain tag, or all.

The choice holds for the process, as it does with the peer: a notebook makes it in one cell and looks around in others.
"""

from __future__ import annotations

from dataclasses import dataclass

from metaflow_hera.flow.current import current
from metaflow_hera.settings import Settings


@dataclass(slots=True)
class _Choice:
    """What this process chose; nothing yet, if it is not *made*."""

    made: bool = False
    tag: str | None = None


_CHOICE = _Choice()


def namespace(tag: str | None) -> str | None:
    """See only runs with this tag from now on; None for all."""
    _CHOICE.made, _CHOICE.tag = True, tag
    return tag


def get_namespace() -> str | None:
    """The tag that a run must have to be seen; None if all are.

    If none was chosen, it is that of the task which runs here, or of the user.
    """
    if _CHOICE.made:
        return _CHOICE.tag
    return current.namespace or f"user:{Settings.load().user}"


def default_namespace() -> str | None:
    """See the runs that were seen in the beginning from now on."""
    _CHOICE.made = False
    return get_namespace()
