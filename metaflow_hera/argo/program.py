"""The program that all containers of a flow start with, written once per manifest instead of once per step.

It lies in an annotation of the Workflow, and Argo puts it into each command. Kilobytes per step would be too much for
an object that is written to etcd with every change of a run.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from metaflow_hera.argo.expressions import escape_dollars, unescape_dollars
from metaflow_hera.errors import ManifestError
from metaflow_hera.labels import LABEL_PREFIX
from metaflow_hera.plan.records import Container, Plan

ANNOTATION: Final = f"{LABEL_PREFIX}program"
_REFERENCE: Final = f"{{{{workflow.annotations.{ANNOTATION}}}}}"
# Argo refuses to substitute control characters, and what has one line only is not worth a reference.
_WORTH_SHARING = re.compile(r"(?=[^\n]*\n)[\n\x20-\x7e]*\Z")


def shared_program(plan: Plan) -> str:
    """The word of several lines that the most commands have in common; empty if there is none."""
    words = Counter(
        word
        for template in plan.templates
        if isinstance(template, Container)
        for word in template.command
        if _WORTH_SHARING.match(word)
    )
    (program, count), *_ = words.most_common(1) or [("", 0)]
    return program if count > 1 else ""


def render_command(command: tuple[str, ...], program: str) -> list[str]:
    """A command as Argo gets it.

    >>> render_command(("python", "-c", "import x\\n"), "import x\\n")
    ['python', '-c', '{{workflow.annotations.metaflow-hera/program}}']
    """
    return [_REFERENCE if program and word == program else escape_dollars(word) for word in command]


def parse_command(rendered: list[str], program: str) -> tuple[str, ...]:
    """The command behind what `render_command` wrote."""
    return tuple(_word(word, program) for word in rendered)


def _word(word: str, program: str) -> str:
    if word == _REFERENCE and program:
        return program
    if "{{" in word:
        raise ManifestError(f"the command {word!r} refers to something that is not in our subset of Argo")
    return unescape_dollars(word)
