"""What is given beside a flow when it is started or deployed: every task of the run sees the same."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Launch(NamedTuple):
    """The choices behind a run or a deployment that change the flow itself; JSON can hold all of it."""

    configs: Mapping[str, Any] = _NOTHING
    """The value of each config, by name."""
    branch: str | None = None
    """``--branch``"""
    production: bool = False
    """``--production``"""
