"""Markdown as HTML, in its common part: headings, lists, quotes, code, tables, rules and paragraphs.

Of what is in a text nothing becomes an element but by these: HTML is shown as it is written. Links lead to ``http``,
``https``, ``mailto`` or within the page; pictures must be data, since a card fetches nothing.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence

from metaflow_hera.cards.inline import spans
from metaflow_hera.cards.markup import element, escaped

DEEPEST = 8
"""Of lists and quotes in each other; what is deeper is shown as text."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^`]*\Z")
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?\Z")
_ITEM = re.compile(r"( {0,3})([-*+]|\d{1,9}[.)])(?: {1,4}|\t|\Z)(.*)\Z", re.ASCII)

Lines = Sequence[str]
Found = tuple[str, int] | None
"""The HTML of a block and the line after it, if a block of that kind begins here."""


def to_html(text: str) -> str:
    """*text* as HTML; what indents it as a whole, as in a function's source, does not count.

    >>> to_html("# A & B\\n\\n*so* <b>")
    '<h1>A &amp; B</h1><p><em>so</em> &lt;b&gt;</p>'
    """
    return _blocks(textwrap.dedent(text).splitlines(), 0)


def _blocks(lines: Lines, depth: int) -> str:
    parts: list[str] = []
    start = 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        found = next(filter(None, (kind(lines, start, depth) for kind in _KINDS)), None)
        part, start = found or _paragraph(lines, start, depth)
        parts.append(part)
    return "".join(parts)


def _fence(lines: Lines, start: int, depth: int) -> Found:
    opening = _FENCE.match(lines[start])
    if opening is None:
        return None
    fence = opening[1]
    end = start + 1
    while end < len(lines) and not _closes(lines[end], fence):
        end += 1
    return _code(lines[start + 1 : end]), end + 1


def _closes(line: str, fence: str) -> bool:
    bare = line.strip()
    return len(bare) >= len(fence) and not bare.strip(fence[0])


def _indented(lines: Lines, start: int, depth: int) -> Found:
    end = start
    while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
        end += 1
    if end == start:
        return None
    while not lines[end - 1].strip():
        end -= 1
    return _code([line[4:] for line in lines[start:end]]), end


def _code(lines: Lines) -> str:
    return element("pre", element("code", escaped("\n".join(lines))))


def _heading(lines: Lines, start: int, depth: int) -> Found:
    match = _HEADING.match(lines[start])
    if match is None:
        return None
    text = (match[2] or "").strip()
    return element(f"h{len(match[1])}", spans(text.rstrip("#").rstrip() or text.strip("#"))), start + 1


def _rule(lines: Lines, start: int, depth: int) -> Found:
    return ("<hr>", start + 1) if _is_rule(lines[start]) else None


def _is_rule(line: str) -> bool:
    bare = line.replace(" ", "").replace("\t", "")
    return len(bare) >= 3 and bare[0] in "-*_" and not bare.strip(bare[0])


def _quote(lines: Lines, start: int, depth: int) -> Found:
    end = start
    while end < len(lines) and lines[end].lstrip().startswith(">"):
        end += 1
    if end == start or depth >= DEEPEST:
        return None
    inner = [line.lstrip()[1:].removeprefix(" ") for line in lines[start:end]]
    return element("blockquote", _blocks(inner, depth + 1)), end


def _list(lines: Lines, start: int, depth: int) -> Found:
    first = _ITEM.match(lines[start])
    if first is None or _is_rule(lines[start]) or depth >= DEEPEST:
        return None
    items: list[str] = []
    at = start
    while at < len(lines) and (match := _ITEM.match(lines[at])) and _same_kind(match[2], first[2]):
        inner, at = _item(lines, at, match)
        items.append(element("li", _tight(_blocks(inner, depth + 1))))
    tag = "ol" if first[2][-1] in ".)" else "ul"
    begin = int(first[2][:-1]) if tag == "ol" else 1
    return element(tag, *items, start=None if begin == 1 else begin), at


def _same_kind(marker: str, other: str) -> bool:
    return marker[-1] == other[-1]


def _item(lines: Lines, start: int, match: re.Match[str]) -> tuple[list[str], int]:
    """The lines of an item without its indentation, and the line after it."""
    indent = len(match[1]) + len(match[2]) + 1
    inner, end = [match[3]], start + 1
    while end < len(lines):
        line = lines[end]
        is_inside = line.startswith(" " * min(indent, 2)) or not line.strip()
        if not is_inside and (not lines[end - 1].strip() or _begins(line)):
            break
        inner.append(line[min(indent, len(line) - len(line.lstrip())) :])
        end += 1
    return inner, end


def _tight(content: str) -> str:
    """An item that is a paragraph, as its text."""
    is_one = content.startswith("<p>") and content.count("<p>") == 1
    return content.replace("<p>", "", 1).replace("</p>", "", 1) if is_one else content


def _table(lines: Lines, start: int, depth: int) -> Found:
    if "|" not in lines[start] or start + 1 >= len(lines):
        return None
    head, marks = _cells(lines[start]), _cells(lines[start + 1])
    if len(head) != len(marks) or not all(re.fullmatch(r":?-+:?", mark) for mark in marks):
        return None
    sides = [_side(mark) for mark in marks]
    end = start + 2
    rows = [_row("th", head, sides)]
    while end < len(lines) and "|" in lines[end]:
        cells = _cells(lines[end])
        rows.append(_row("td", [*cells, *[""] * len(head)][: len(head)], sides))
        end += 1
    return element("table", *rows), end


def _cells(line: str) -> list[str]:
    bare = line.strip().removeprefix("|")
    cells = re.split(r"(?<!\\)\|", bare[:-1] if bare.endswith("|") and not bare.endswith("\\|") else bare)
    return [cell.strip().replace("\\|", "|") for cell in cells]


def _side(mark: str) -> str | None:
    if mark.endswith(":"):
        return "center" if mark.startswith(":") else "right"
    return None


def _row(tag: str, cells: Lines, sides: Sequence[str | None]) -> str:
    return element("tr", *(element(tag, spans(cell), class_=side) for cell, side in zip(cells, sides, strict=True)))


def _begins(line: str) -> bool:
    """Whether a line ends a paragraph before it: something else begins there."""
    return bool(
        _FENCE.match(line)
        or _HEADING.match(line)
        or _ITEM.match(line)
        or _is_rule(line)
        or line.lstrip().startswith(">")
    )


def _paragraph(lines: Lines, start: int, depth: int) -> tuple[str, int]:
    end = start + 1
    while end < len(lines) and lines[end].strip():
        bare = lines[end].strip()
        if bare[0] in "=-" and not bare.strip(bare[0]):
            text = spans("\n".join(line.strip() for line in lines[start:end]))
            return element("h1" if bare[0] == "=" else "h2", text), end + 1
        if _begins(lines[end]):
            break
        end += 1
    return element("p", spans("\n".join(line.lstrip() for line in lines[start:end]).rstrip())), end


_KINDS: tuple[Callable[[Lines, int, int], Found], ...] = (_indented, _fence, _heading, _rule, _quote, _list, _table)
