"""What is given beside a flow when it is started or deployed: every task of the run sees the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from metaflow_hera.errors import PackageError

LAUNCH_FILE = "metaflow_hera.launch.json"
"""Of a code package, beside our own modules."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Open:
    """What has its value when a flow is launched: a config in its class, or an expression of some."""

    __slots__ = ()


class Launch(NamedTuple):
    """The choices behind a run or a deployment that change the flow itself; JSON can hold all of it.

    >>> launch = Launch(configs={"model": {"layers": [3, 4]}}, branch="test")
    >>> Launch.from_bytes(launch.to_bytes()) == launch
    True
    """

    configs: Mapping[str, Any] = _NOTHING
    """The value of each config, by name."""
    branch: str | None = None
    """``--branch``"""
    production: bool = False
    """``--production``"""

    def to_bytes(self) -> bytes:
        """The same bytes for the same choices."""
        return json.dumps({**self._asdict(), "configs": dict(self.configs)}, indent=1).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        try:
            return cls(**json.loads(data))
        except (ValueError, TypeError) as error:
            raise PackageError(
                f"what the flow was launched with cannot be read in its code package: {error}"
            ) from error


def holds_open(value: object) -> bool:
    """Whether there is something in *value*, also in dictionaries, lists and tuples, that the launch decides."""
    if isinstance(value, Open):
        return True
    if isinstance(value, Mapping):
        return any(map(holds_open, value.values()))
    return isinstance(value, list | tuple) and any(map(holds_open, value))
