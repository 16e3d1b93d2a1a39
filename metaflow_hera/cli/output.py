"""Facts and progress as text: JSON, tables, times."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from metaflow_hera.errors import UsageError
from metaflow_hera.settings import DEFAULT, Settings

COLORS = {
    "Succeeded": "green",
    "Running": "cyan",
    "Pending": "yellow",
    "Failed": "red",
    "Error": "red",
}

SIGNALLED = 128
"""The exit code of a command that a signal ended is this and the signal's number."""


def tell(text: str) -> None:
    """A line of progress."""
    click.echo(text, err=True)


def tell_where(settings: Settings) -> None:
    """Why nothing may be found where something is expected, unless somebody chose the place."""
    if settings.origins.get("data_dir") == DEFAULT:
        tell("the data directory is the nearest .mfhera at or above the working directory: see `mfhera config`")


def tell_timed(text: str) -> None:
    """A line of progress with the time of day before it."""
    click.echo(f"{click.style(time.strftime('%H:%M:%S'), dim=True)} {text}", err=True)


def print_json(value: object) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, default=_as_json))


def _as_json(value: object) -> str:
    assert isinstance(value, datetime), f"{value!r} cannot be printed as JSON"
    return value.isoformat()


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as what is in them; a phase is coloured on a terminal."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    click.echo(_line(headings, widths, bold=True))
    for row in rows:
        click.echo(_line(row, widths))


def _line(cells: Sequence[str], widths: Sequence[int], *, bold: bool = False) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    padded[-1] = padded[-1].rstrip()
    styled = [click.style(cell, fg=COLORS.get(cell.strip()), bold=bold or None) for cell in padded]
    return "  ".join(styled).rstrip()


def colored(phase: str) -> str:
    return click.style(phase, fg=COLORS.get(phase))


def moment(when: datetime | None) -> str:
    """A time as this machine's clock shows it."""
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}" if when else ""


def duration(start: datetime | None, end: datetime | None) -> str:
    """How long something took, in the two largest units.

    >>> duration(datetime(2030, 1, 1), datetime(2030, 1, 1, 1, 2, 3))
    '1h 2m'
    """
    if start is None or end is None:
        return ""
    seconds = (end - start).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m {rest}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60}m"


def write_file(file: str | Path, text: str) -> None:
    """Write a file that the user named."""
    try:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}; name another file") from error
