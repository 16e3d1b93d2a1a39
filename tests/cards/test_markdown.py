"""Markdown as HTML: what is understood, and that nothing of a text becomes an element but by that."""

from __future__ import annotations

import string
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera.cards.inline import is_safe
from metaflow_hera.cards.markdown import to_html

ALLOWED = {
    *("a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "li", "ol", "p"),
    *("pre", "strong", "table", "td", "th", "tr", "ul"),
}
VOID = {"br", "hr", "img"}


class Strict(HTMLParser):
    """Reads HTML that must be whole: every element is known, and closed in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED
        assert {name for name, _ in attrs} <= {"href", "rel", "class", "alt", "src", "start"}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError("a declaration")

    def handle_pi(self, data: str) -> None:
        raise AssertionError("an instruction")


def read(html: str) -> Strict:
    parser = Strict()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain", "<p>plain</p>"),
        ("one\ntwo", "<p>one\ntwo</p>"),
        ("one  \ntwo", "<p>one<br>\ntwo</p>"),
        ("# A\n## B #\n####### C", "<h1>A</h1><h2>B</h2><p>####### C</p>"),
        ("A\n===\nB\n---", "<h1>A</h1><h2>B</h2>"),
        ("**a** __b__ *c* _d_ ***e*** ~~f~~", None),
        ("snake_case_name and 2 * 3 * 4", "<p>snake_case_name and 2 * 3 * 4</p>"),
        ("`a < b` ``x`y``", "<p><code>a &lt; b</code> <code>x`y</code></p>"),
        ("\\*not\\* <b>", "<p>*not* &lt;b&gt;</p>"),
        ("[a](https://x.y/z_z)", '<p><a href="https://x.y/z_z" rel="noopener noreferrer">a</a></p>'),
        ("<https://x.y>", '<p><a href="https://x.y" rel="noopener noreferrer">https://x.y</a></p>'),
        ("[a](javascript:alert(1))", "<p>[a](javascript:alert(1))</p>"),
        ("![a](data:image/png;base64,aGk=)", '<p><img alt="a" src="data:image/png;base64,aGk="></p>'),
        ("- a\n- b\n  - c\n\n  d", "<ul><li>a</li><li><p>b</p><ul><li>c</li></ul><p>d</p></li></ul>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("> a\n> > b", "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>"),
        ("```py\nx = '<b>'\n```\nafter", "<pre><code>x = &#x27;&lt;b&gt;&#x27;</code></pre><p>after</p>"),
        ("a\n\n    code\n\nb", "<p>a</p><pre><code>code</code></pre><p>b</p>"),
        ("a\n\n***\n", "<p>a</p><hr>"),
        (
            "|a|b|\n|:-:|--:|\n|1|*2*|\n|3|\n",
            '<table><tr><th class="center">a</th><th class="right">b</th></tr><tr><td class="center">1</td>'
            '<td class="right"><em>2</em></td></tr><tr><td class="center">3</td><td class="right"></td></tr></table>',
        ),
        ("\n    # Indented\n    text\n", "<h1>Indented</h1><p>text</p>"),
    ],
)
def test_markdown_becomes_html(text: str, html: str | None) -> None:
    emphasis = "<strong>a</strong> <strong>b</strong> <em>c</em> <em>d</em> <strong><em>e</em></strong> <del>f</del>"
    assert to_html(text) == (html if html is not None else f"<p>{emphasis}</p>")


MARKS = st.text(alphabet="*_~`[](){}<>!#->|:=\\\n\t \"'&ab1.:/", max_size=120)
BITS = (
    *(
        "<script>",
        "javascript:",
        "](",
        "[a",
        ")",
        "**",
        "_",
        "`",
        "```\n",
        "\n",
        "\n\n",
        "- ",
        "> ",
        "    ",
        "|",
        "|-|",
    ),
    *("<https://", ">", '"', "onerror=", "data:text/html,", "![x](", "&lt;", "<!--", "]]>", "\x00", "\u2028", "1. "),
)
PIECES = st.lists(st.sampled_from(BITS), max_size=40).map("".join)


@given(st.one_of(st.text(max_size=200), MARKS, PIECES))
def test_whatever_the_text_its_html_is_whole_and_leads_nowhere_unsafe(text: str) -> None:
    parser = read(to_html(text))

    assert all(is_safe(link) or link.startswith("data:image/") for link in parser.links)


@given(st.lists(st.text(alphabet=string.ascii_letters + string.digits, min_size=1), min_size=1, max_size=8), PIECES)
def test_no_word_is_lost(words: list[str], marks: str) -> None:
    html = to_html("\n\n".join([*words, marks]))

    shown = "".join(read(html).text).split()
    assert all(any(word in part for part in shown) for word in words)


@pytest.mark.parametrize("unit", ["*a", "[a](", "`", "``` ", "> ", "- ", "|", "![", "**a", "_a _", "<a", "\\", "~~"])
def test_long_texts_of_marks_take_no_longer_than_others(unit: str) -> None:
    read(to_html(unit * 20_000))
