"""Where the source of a flow is: in a file, or in the cell of a notebook."""

from __future__ import annotations

import linecache
import sys
from types import FunctionType
from typing import NamedTuple

from metaflow_hera.errors import FlowError
from metaflow_hera.flow.steps import original, steps_of

ANY_TEXT = "<string>"
"""What Python calls every text that is executed as such: from 3.13 on, linecache has that of ``python -c`` under it."""


class Source(NamedTuple):
    """A text and the name of the file that has it; of a notebook's cell, a made-up one."""

    file: str
    text: str


def source_of(flow_class: type) -> Source:
    """The file of a flow class and its whole text; of a class in a notebook or a shell, the cell with it."""
    file = file_of(flow_class)
    if file is not None and (text := text_of(file)):
        return Source(file, text)
    for function in steps_of(flow_class).values():
        code = original(function).__code__
        if function.__qualname__.startswith(f"{flow_class.__qualname__}.") and (text := text_of(code.co_filename)):
            return Source(f"{flow_class.__name__}.py", text)
    raise FlowError(
        f"the source of {flow_class.__name__} cannot be found; write the flow into a file or a notebook cell"
    )


def text_of(file: str, function: FunctionType | None = None) -> str:
    """The text of a file, or of what a notebook calls one; empty if there is none."""
    if file == ANY_TEXT:
        return ""
    linecache.checkcache(file)
    return "".join(linecache.getlines(file, None if function is None else function.__globals__))


def file_of(flow_class: type) -> str | None:
    """The file of the class's module, None in a notebook or a shell."""
    return getattr(sys.modules.get(flow_class.__module__), "__file__", None)
