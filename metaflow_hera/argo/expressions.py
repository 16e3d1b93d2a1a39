"""The small languages inside of a manifest's texts, each with both of its ends: `depends`, `when`, durations, ``$``."""

from __future__ import annotations

import re

from metaflow_hera.errors import ManifestError, NamingError
from metaflow_hera.plan.text import AllOf, AnyOf, Condition, Depends, Never, OutputIs, StatusIs, StatusIsNot, Succeeded


def render_depends(depends: Depends) -> str:
    """What a task waits for, as Argo writes it: with explicit statuses, as a bare name would accept a skipped task.

    >>> render_depends(AllOf((Succeeded("a"), AnyOf((Succeeded("b"), Succeeded("c"))))))
    'a.Succeeded && (b.Succeeded || c.Succeeded)'
    """
    match depends:
        case Succeeded(task):
            return f"{task}.Succeeded"
        case AllOf(of):
            return " && ".join(map(_operand, of))
        case AnyOf(of):
            return " || ".join(map(_operand, of))


def _operand(depends: Depends) -> str:
    rendered = render_depends(depends)
    return rendered if isinstance(depends, Succeeded) else f"({rendered})"


def parse_depends(rendered: str) -> Depends:
    """The `Depends` behind what `render_depends` wrote.

    >>> parse_depends("a.Succeeded || (b.Succeeded && c.Succeeded)")
    AnyOf(of=(Succeeded(task='a'), AllOf(of=(Succeeded(task='b'), Succeeded(task='c')))))
    """
    tokens = re.findall(r"\s*([-A-Za-z0-9_]+\.Succeeded|&&|\|\||[()]|\S)", rendered)[::-1]
    depends = _parse_group(tokens, rendered)
    if tokens:
        raise _unreadable("depends", rendered)
    return depends


def _parse_group(tokens: list[str], rendered: str) -> Depends:
    """Operands with one operator between all of them; *tokens* are taken from the end."""
    operands = [_parse_operand(tokens, rendered)]
    operator = tokens[-1] if tokens and tokens[-1] in ("&&", "||") else None
    while operator and tokens and tokens[-1] == operator:
        tokens.pop()
        operands.append(_parse_operand(tokens, rendered))
    if operator is None:
        return operands[0]
    return AllOf(tuple(operands)) if operator == "&&" else AnyOf(tuple(operands))


def _parse_operand(tokens: list[str], rendered: str) -> Depends:
    operand = tokens.pop() if tokens else ""
    if operand == "(":
        group = _parse_group(tokens, rendered)
        if not tokens or tokens.pop() != ")":
            raise _unreadable("depends", rendered)
        return group
    if not operand.endswith(".Succeeded"):
        raise _unreadable("depends", rendered)
    return Succeeded(operand.removesuffix(".Succeeded"))


_NEVER = "false"
_OUTPUT_IS = re.compile(r"\{\{=tasks\['([-\w]+)'\]\.outputs\.parameters\['([-\w]+)'\] == '([^'\\{}]*)'\}\}")
_STATUS_IS = re.compile(r"\{\{=workflow\.status == '(\w+)'\}\}")
_STATUS_IS_NOT = re.compile(r"\{\{=workflow\.status != '(\w+)'\}\}")
_CONDITIONS = (_OUTPUT_IS, _STATUS_IS, _STATUS_IS_NOT)


def render_when(condition: Condition) -> str:
    """A condition as one expression that yields ``true`` or ``false``: Argo's own comparison of texts knows no quotes.

    >>> render_when(OutputIs("s", "next", "b"))
    "{{=tasks['s'].outputs.parameters['next'] == 'b'}}"
    """
    match condition:
        case Never():
            return _NEVER
        case OutputIs(task, parameter, value):
            rendered = f"{{{{=tasks['{task}'].outputs.parameters['{parameter}'] == '{value}'}}}}"
        case StatusIs(status):
            rendered = f"{{{{=workflow.status == '{status}'}}}}"
        case StatusIsNot(status):
            rendered = f"{{{{=workflow.status != '{status}'}}}}"
    if not any(pattern.fullmatch(rendered) for pattern in _CONDITIONS):
        raise NamingError(f"{rendered!r} is no condition that Argo could evaluate: its names are letters and digits")
    return rendered


def parse_when(rendered: str) -> Condition:
    """The `Condition` behind what `render_when` wrote.

    >>> parse_when("{{=workflow.status != 'Succeeded'}}")
    StatusIsNot(status='Succeeded')
    """
    if rendered == _NEVER:
        return Never()
    if match := _OUTPUT_IS.fullmatch(rendered):
        return OutputIs(match[1], match[2], match[3])
    if match := _STATUS_IS.fullmatch(rendered):
        return StatusIs(match[1])
    if match := _STATUS_IS_NOT.fullmatch(rendered):
        return StatusIsNot(match[1])
    raise _unreadable("when", rendered)


def render_duration(seconds: int) -> str:
    """Seconds as Argo reads a backoff: minutes where they are whole.

    >>> render_duration(120), render_duration(90)
    ('2m', '90s')
    """
    return f"{seconds}s" if seconds % 60 else f"{seconds // 60}m"


def parse_duration(rendered: str) -> int:
    """The seconds behind what `render_duration` wrote.

    >>> parse_duration("2m")
    120
    """
    match = re.fullmatch(r"(\d+)([sm])", rendered, re.ASCII)
    if match is None:
        raise _unreadable("duration", rendered)
    return int(match[1]) * (60 if match[2] == "m" else 1)


def escape_dollars(text: str) -> str:
    """*text* so that the kubelet, which replaces ``$(NAME)`` and makes ``$`` of ``$$``, gives the process just that.

    >>> escape_dollars("$HOME costs $(5)")
    '$$HOME costs $$(5)'
    """
    return text.replace("$", "$$")


def unescape_dollars(text: str) -> str:
    """What the process gets; `ManifestError` for a variable, since we write none.

    >>> unescape_dollars("$$HOME costs $$(5) or 5$")
    '$HOME costs $(5) or 5$'
    """
    pieces = text.split("$$")
    if any("$(" in piece for piece in pieces):
        raise ManifestError(f"{text!r} refers to an environment variable, which is not in our subset of Argo")
    return "$".join(pieces)


def _unreadable(what: str, rendered: str) -> ManifestError:
    return ManifestError(f"{what} {rendered!r} is not in our subset of Argo")
