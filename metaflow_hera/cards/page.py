"""A card as one file of HTML: its own style in light and in dark, no scripts, nothing to be fetched."""

from __future__ import annotations

from typing import Final

from metaflow_hera.cards.markup import element, escaped

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What browsers are told of a card: it runs nothing and loads nothing, whatever has come into it."""

STYLE: Final = """\
:root{color-scheme:light dark;--text:#1c2536;--soft:#5f6f89;--line:#dfe5ee;--back:#fff;--raised:#f5f7fb;--link:#2459c3;
--good:#1f8a4c;--bad:#c2334d;--busy:#a86a00}
@media (prefers-color-scheme:dark){:root{--text:#e6ebf4;--soft:#9fb0ca;--line:#2c384b;--back:#10161f;--raised:#18202d;
--link:#86b0ff;--good:#5cc98a;--bad:#ff8095;--busy:#ffc45c}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:15px/1.55 ui-sans-serif,system-ui,-apple-system,"Segoe UI",
Roboto,sans-serif}
main{max-width:60rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1,h2,h3,h4,h5,h6{line-height:1.25;margin:1.6em 0 .5em}
h1{font-size:1.5rem}h2{font-size:1.2rem}h3{font-size:1.05rem}h4,h5,h6{font-size:1rem}
header h1{margin-top:0}
section>h2{border-bottom:1px solid var(--line);padding-bottom:.3rem}
a{color:var(--link)}
table{border-collapse:collapse;font-size:.92em}
th,td{padding:.32rem .8rem .32rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600}
td{overflow-wrap:anywhere}
.right{text-align:right;font-variant-numeric:tabular-nums}.center{text-align:center}
.scroll{overflow-x:auto;margin:1rem 0}
.facts th{width:9rem}
pre,code{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{background:var(--raised);border:1px solid var(--line);border-radius:6px;padding:.7rem .9rem;overflow:auto;
white-space:pre-wrap;overflow-wrap:anywhere;margin:.6rem 0}
:not(pre)>code{background:var(--raised);border-radius:4px;padding:.1em .3em}
blockquote{margin:1rem 0;padding-left:1rem;border-left:3px solid var(--line);color:var(--soft)}
hr{border:0;border-top:1px solid var(--line);margin:1.5rem 0}
figure{margin:1rem 0}figcaption,.note{color:var(--soft);font-size:.88em}
img,svg{max-width:100%;height:auto}
.status{display:inline-block;border-radius:99px;padding:.05rem .7rem;font-size:.85rem;font-weight:600;
border:1px solid currentColor;vertical-align:.15em;margin-left:.5rem}
.succeeded{color:var(--good)}.failed{color:var(--bad)}.running{color:var(--busy)}
.error{border-left:3px solid var(--bad);padding-left:1rem;margin:1rem 0}
.progress{display:flex;gap:.8rem;align-items:center;margin:.8rem 0}
progress{flex:1;height:.7rem;accent-color:var(--link)}
.valuebox{display:inline-block;vertical-align:top;min-width:10rem;margin:.4rem .8rem .4rem 0;padding:.8rem 1rem;
border-radius:8px;border:1px solid var(--line);background:var(--raised)}
.valuebox .title{color:var(--soft);font-size:.85rem}.valuebox .value{font-size:1.7rem;font-weight:650;line-height:1.3}
.success{border-color:var(--good)}.warning{border-color:var(--busy)}.danger{border-color:var(--bad)}
.events{list-style:none;padding-left:1rem;border-left:2px solid var(--line)}
.chart text{fill:var(--soft);font-size:11px}.chart .heading{fill:var(--text);font-size:13px;font-weight:600}
.chart .grid{stroke:var(--line)}.chart .tick{stroke:var(--soft)}
summary{cursor:pointer;color:var(--soft)}"""


def page(title: str, body: str) -> str:
    """A whole document around HTML."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{escaped(POLICY)}">'
    width = '<meta name="viewport" content="width=device-width,initial-scale=1">'
    head = f'<meta charset="utf-8">{policy}{width}{element("title", escaped(title))}<style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body><main>{body}</main></body></html>\n'
