"""What notebooks show: small pieces of HTML, every text escaped, readable in light and in dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

STYLE: Final = """\
<style>
.mfhera-show{font-size:13px;line-height:1.45}
.mfhera-show table{border-collapse:collapse;margin:6px 0 10px;font-variant-numeric:tabular-nums}
.mfhera-show caption{text-align:left;font-weight:600;padding:2px 0;color:inherit}
.mfhera-show th,.mfhera-show td{text-align:left;padding:2px 14px 2px 0;border-bottom:1px solid rgba(128,128,128,.25)}
.mfhera-show .sides{display:flex;flex-wrap:wrap;gap:8px 32px;align-items:flex-start}
.mfhera-show .word{border-radius:9px;padding:1px 9px;font-size:12px;color:#fff;background:#6b7687}
.mfhera-show .word.succeeded{background:#2c8f4e}
.mfhera-show .word.failed{background:#cc3333}
.mfhera-show .word.running{background:#b47c00}
.mfhera-show pre{margin:4px 0;padding:6px 10px;border-left:3px solid #cc3333;overflow-x:auto}
</style>"""

_KINDS: Final = {"Succeeded": "succeeded", "Running": "running", "Pending": "waiting"}


def kind_of(status: str) -> str:
    """The class of a status, for its colour: every other word is one for a failure.

    >>> kind_of("Succeeded"), kind_of("Error")
    ('succeeded', 'failed')
    """
    return _KINDS.get(status, "failed")


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as HTML; every text is escaped.

    >>> table("a<b", ("x",), [("1",)])
    '<table><caption>a&lt;b</caption><tr><th>x</th></tr><tr><td>1</td></tr></table>'
    """
    lines = "".join(_row("td", row) for row in rows)
    return f"<table><caption>{escape(title)}</caption>{_row('th', head)}{lines}</table>"


def _row(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def headline(name: str, status: str, about: str) -> str:
    """What is shown, how it is, and what else fits into a line."""
    word = f' <span class="word {kind_of(status)}">{escape(status)}</span>' if status else ""
    return f"<div><b>{escape(name)}</b>{word} {escape(about)}</div>"


def trouble(text: str) -> str:
    """Why something failed; empty for no text."""
    return f"<pre>{escape(text)}</pre>" if text else ""


def page(head: str, *parts: str, picture: str = "") -> str:
    """All of it, the tables beside the picture; *picture* is SVG, and the parts are HTML."""
    sides = f'<div class="sides">{picture}<div>{"".join(parts)}</div></div>'
    return f'{STYLE}<div class="mfhera-show">{head}{sides}</div>'
