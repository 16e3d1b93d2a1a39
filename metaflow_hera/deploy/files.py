"""Files of this machine that go along with a run or a deployment: looked at before anything is written, then uploaded.

A file is mapped, never read into memory as a whole.
"""

from __future__ import annotations

import codecs
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

from metaflow_hera.errors import ParameterError, UsageError
from metaflow_hera.flow.include_file import IncludedFile, IncludeFile, is_description
from metaflow_hera.flow.parameters import NONE, Parameter
from metaflow_hera.records.artifacts import digest, put_once
from metaflow_hera.store import Data, Store

_ANY = IncludedFile("0" * 64, 0).to_text()
"""Stands for a file with a problem, so that it is told once."""

_PIECE = 1 << 20
"""Bytes that are decoded at once."""


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """A file whose content is to be in the datastore."""

    path: Path
    changed: int
    """When it was changed for the last time, as its file system says."""
    content: IncludedFile

    def upload(self, store: Store) -> None:
        """Put the content where tasks find it, unless it is there."""
        view, changed = _mapped(self.path)
        if (len(view), changed) != (self.content.size, self.changed):
            raise ParameterError(f"{self.path} was changed while it was looked at; start again when it is complete")
        put_once(store, self.content.digest, (view,), self.content.size)


def with_files(
    parameters: Iterable[Parameter], texts: Mapping[str, str]
) -> tuple[dict[str, str], tuple[LocalFile, ...], list[str]]:
    """*texts* with descriptions of files in place of their paths, the files, and what is wrong with any of them."""
    described, files, problems = dict(texts), [], []
    for parameter in parameters:
        text = texts.get(parameter.name, NONE)
        if not isinstance(parameter, IncludeFile) or text == NONE or is_description(text):
            continue
        try:
            file = _local_file(parameter, text)
        except UsageError as error:
            problems.append(str(error))
            described[parameter.name] = _ANY
        else:
            files.append(file)
            described[parameter.name] = file.content.to_text()
    return described, tuple(files), problems


def _local_file(parameter: IncludeFile, text: str) -> LocalFile:
    """The file behind a path; `UsageError` if it cannot be the value of the parameter."""
    where = f"parameter {parameter.name!r}"
    if "://" in text:
        raise ParameterError(f"{where} takes a file of this machine, not {text}; download it, or read it in a step")
    parameter.find_parser()
    path = Path.cwd() / Path(text).expanduser()
    try:
        view, changed = _mapped(path)
    except FileNotFoundError as error:
        raise ParameterError(
            f"{where}: there is no file {path} (relative paths begin at the working directory)"
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ParameterError(f"{where}: {path} cannot be read: {reason}") from error
    if parameter.is_text:
        _check_encoding(view, parameter, path)
    content = IncludedFile(digest((view,)), len(view), parameter.is_text, parameter.encoding)
    return LocalFile(path=path, changed=changed, content=content)


def _mapped(path: Path) -> tuple[Data, int]:
    """The content of a file, not read yet, and when it was changed for the last time."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is a folder" if stat.S_ISDIR(status.st_mode) else "it is no plain file")
    with path.open("rb") as file:
        content = mmap(file.fileno(), 0, access=ACCESS_READ) if status.st_size else b""
        return memoryview(content), status.st_mtime_ns


def _check_encoding(content: Data, parameter: IncludeFile, path: Path) -> None:
    """Decode the content piece by piece; `ParameterError` says where it is not of the parameter's encoding."""
    decoder = codecs.getincrementaldecoder(parameter.encoding)()
    lines, start = 1, 0
    while start < len(content) or start == 0:
        held = len(decoder.getstate()[0])
        end = start + _PIECE
        try:
            lines += decoder.decode(bytes(content[start:end]), final=end >= len(content)).count("\n")
        except UnicodeDecodeError as error:
            position = start - held + error.start
            line = lines + error.object[: error.start].count(b"\n")
            raise ParameterError(
                f"parameter {parameter.name!r}: {path} is no text in {parameter.encoding}: {error.reason} at byte "
                f"{position:,}, in line {line}; write IncludeFile(…, encoding='…'), or is_text=False for bytes"
            ) from error
        start = end
