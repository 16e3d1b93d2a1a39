"""What stands inside of a paragraph of Markdown: emphasis, code, links and pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from metaflow_hera.cards.markup import element, escaped

DEEPEST = 6
"""Of emphasis and links in each other; what is deeper is shown as text."""

_SPECIAL = re.compile(r"[\\`*_~!\[<\n]| {2,}\n")
_LINK = re.compile(r"(!?)\[((?:[^\[\]\\]|\\.){0,1000})\]\(<?([^\s()<>]{0,4000000})>?(?:\s+\"[^\"]{0,500}\")?\s{0,9}\)")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>]{1,2000})>")
_SAFE = re.compile(r"(https?://|mailto:|#|/(?!/)|[\w.~%-]*(?:[/?#]|\Z))", re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=]+\Z")
_EMPHASIS = {"***": ("<strong><em>", "</em></strong>"), "**": ("<strong>", "</strong>"), "*": ("<em>", "</em>")} | {
    "__": ("<strong>", "</strong>"),
    "_": ("<em>", "</em>"),
    "~~": ("<del>", "</del>"),
}


def spans(text: str) -> str:
    """A text of one block as HTML.

    >>> spans("**a** `<b>` [c](javascript:d)")
    '<strong>a</strong> <code>&lt;b&gt;</code> [c](javascript:d)'
    """
    return _Spans(text, 0).html()


def is_safe(target: str) -> bool:
    """Whether a link may lead there; browsers skip blanks and control characters in a scheme, so they are not allowed.

    >>> is_safe("https://a/b"), is_safe("#part"), is_safe("javascript:x"), is_safe("data:text/html,x")
    (True, True, False, False)
    """
    return target.isprintable() and " " not in target and _SAFE.match(target) is not None


@dataclass
class _Spans:
    """A text while it is read, from the left to the right."""

    text: str
    depth: int
    at: int = 0
    parts: list[str] = field(default_factory=list)
    unclosed: set[str] = field(default_factory=set)
    """Marks of which there is none further right: what is looked for in vain once is not looked for again."""

    def html(self) -> str:
        while match := _SPECIAL.search(self.text, self.at):
            self.parts.append(escaped(self.text[self.at : match.start()]))
            self.at = match.start()
            if not self._special(match[0]):
                self.parts.append(escaped(self.text[self.at]))
                self.at += 1
        self.parts.append(escaped(self.text[self.at :]))
        return "".join(self.parts)

    def _special(self, mark: str) -> bool:
        """Read what begins here, if something does."""
        if mark.endswith("\n"):
            return self._took("<br>\n" if len(mark) > 1 else "\n", self.at + len(mark))
        if mark == "\\":
            return self._escape()
        if mark == "`":
            return self._code()
        if mark in "![":
            return self._link()
        if mark == "<":
            return self._autolink()
        return any(self._emphasis(known) for known in _EMPHASIS if self.text.startswith(known, self.at))

    def _took(self, part: str, end: int) -> bool:
        self.parts.append(part)
        self.at = end
        return True

    def _escape(self) -> bool:
        following = self.text[self.at + 1 : self.at + 2]
        if following == "\n":
            return self._took("<br>\n", self.at + 2)
        is_mark = following.isascii() and following.isprintable() and not following.isalnum() and following != " "
        return bool(following) and is_mark and self._took(escaped(following), self.at + 2)

    def _code(self) -> bool:
        run = re.compile(r"`+").match(self.text, self.at)
        assert run is not None, "a backtick is here"
        end = self._closing_run(run[0], run.end())
        if end < 0:
            return self._took(run[0], run.end())
        code = self.text[run.end() : end].replace("\n", " ")
        is_padded = len(code) > 2 and code[0] == code[-1] == " " and code.strip()
        return self._took(element("code", escaped(code[1:-1] if is_padded else code)), end + len(run[0]))

    def _closing_run(self, run: str, start: int) -> int:
        if run in self.unclosed:
            return -1
        found = re.compile(f"(?<!`){run}(?!`)").search(self.text, start)
        if found is None:
            self.unclosed.add(run)
            return -1
        return found.start()

    def _link(self) -> bool:
        match = _LINK.match(self.text, self.at) if self.depth < DEEPEST else None
        if match is None:
            return False
        is_picture, text, target = match[1] == "!", match[2], match[3]
        if is_picture and _PICTURE.match(target):
            return self._took(f'<img alt="{escaped(text)}" src="{escaped(target)}">', match.end())
        if not is_safe(target):
            return False
        return self._took(_anchor(target, _Spans(text, self.depth + 1).html()), match.end())

    def _autolink(self) -> bool:
        match = _AUTOLINK.match(self.text, self.at)
        return match is not None and is_safe(match[1]) and self._took(_anchor(match[1], escaped(match[1])), match.end())

    def _emphasis(self, mark: str) -> bool:
        start = self.at + len(mark)
        if mark in self.unclosed or self.depth >= DEEPEST or not self._opens(mark, start):
            return False
        end = self._closing(mark, start)
        if end < 0:
            return False
        before, after = _EMPHASIS[mark]
        inner = _Spans(self.text[start:end], self.depth + 1).html()
        return self._took(before + inner + after, end + len(mark))

    def _opens(self, mark: str, start: int) -> bool:
        following = self.text[start : start + 1]
        is_in_word = mark[0] == "_" and self.at > 0 and self.text[self.at - 1].isalnum()
        return following.strip() != "" and following != mark[0] and not is_in_word

    def _closing(self, mark: str, start: int) -> int:
        """Where the mark comes again: after something that is no blank, not as a part of a longer mark or of a word."""
        sign = re.escape(mark[0])
        word = r"(?!\w)" if mark[0] == "_" else ""
        found = re.compile(f"(?<![\\s\\\\{sign}]){re.escape(mark)}(?!{sign}){word}").search(self.text, start + 1)
        if found is None:
            self.unclosed.add(mark)
            return -1
        return found.start()


def _anchor(target: str, content: str) -> str:
    return element("a", content, href=target, rel="noopener noreferrer")
