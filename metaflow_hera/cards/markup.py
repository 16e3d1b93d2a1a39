"""HTML as text: elements whose attributes are escaped, and texts that are."""

from __future__ import annotations

import html


def escaped(text: object) -> str:
    """*text* as HTML that shows it, in an element or in a quoted attribute.

    >>> escaped('<a href="x">')
    '&lt;a href=&quot;x&quot;&gt;'
    """
    return html.escape(str(text), quote=True)


def element(tag: str, *content: str, **attributes: object) -> str:
    """An element around HTML; ``class_`` is the attribute ``class``, one that is None is left out.

    >>> element("td", escaped("a<b"), class_='wide "x"', title=None)
    '<td class="wide &quot;x&quot;">a&lt;b</td>'
    """
    given = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items() if value is not None)
    written = "".join(f' {name}="{escaped(value)}"' for name, value in given)
    return f"<{tag}{written}>{''.join(content)}</{tag}>"
