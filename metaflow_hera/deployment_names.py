"""What deployed flows are called in Argo."""

from __future__ import annotations

import re
import secrets

from metaflow_hera.errors import NamingError
from metaflow_hera.naming import ascii_of, short_digest

TEMPLATE_NAME_LIMIT = 45
"""A CronWorkflow's name ends at 52 characters, a Workflow's at 63; runs append a dash and up to 17 characters."""

_DEPLOYMENT_NAME = re.compile(r"[a-z]([-a-z0-9.]*[a-z0-9])?\Z")


def deployment_name(flow: str, name: str | None = None) -> str:
    """The name of a flow's WorkflowTemplate, by the peer's rules; *name* is the user's own choice.

    >>> deployment_name("ParameterFlow"), deployment_name("_My_Flow")
    ('parameterflow', 'myflow')
    """
    if name is not None:
        return _valid_deployment_name(name)
    folded = ascii_of(flow)
    derived = re.sub(r"[_@+]", "", re.sub(r"^[^A-Za-z]+", "", folded)).lower()
    if folded != flow or not derived:
        derived = "-".join(filter(None, (derived or "flow", short_digest(flow))))
    if len(derived) > TEMPLATE_NAME_LIMIT:
        raise NamingError(
            f"flow {flow!r}: its name in Argo, {derived!r}, has {len(derived)} characters, and at most "
            f"{TEMPLATE_NAME_LIMIT} fit; give a shorter one with --name"
        )
    return derived


_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def fresh_workflow_name(name: str, letters: int = 10) -> str:
    """A name for a Workflow of the deployment, or flow, of that name; of ten letters there are more than ever meet."""
    return f"{name}-{''.join(secrets.choice(_SUFFIX_LETTERS) for _ in range(letters))}"


def project_deployment_name(project: str, branch: str, flow: str) -> str:
    """The name of the WorkflowTemplate of a flow in a branch of its project.

    One that does not show all of the three, because it would be too long or of letters that Argo does not take, ends
    with a digest of them.

    >>> project_deployment_name("fraud", "user.ann", "TrainFlow"), project_deployment_name("fraud", "test.a_b", "Eval")
    ('fraud.user.ann.trainflow', 'fraud.test.ab.eval')
    >>> project_deployment_name("recommendations", "test.shorter_sessions", "WeeklyTrainingFlow")
    'recommations.test.shorter.weeklytngflow-iy87f'
    """
    full = f"{project}.{branch}.{flow}"
    parts = [_dotted(part) for part in (project, branch, flow)]
    derived = ".".join(filter(None, parts))
    is_whole = derived == full.lower().replace("_", "") and _DEPLOYMENT_NAME.match(derived)
    if is_whole and len(derived) <= TEMPLATE_NAME_LIMIT:
        return derived
    digest = short_digest(full)
    first, middle, last = _shares([len(part) for part in parts], TEMPLATE_NAME_LIMIT - len(f"..-{digest}"))
    shortened = (_ends(parts[0], first), parts[1][:middle], _ends(parts[2], last))
    readable = ".".join(filter(None, map(_dotted, shortened)))
    return f"{re.sub(r'^[^a-z]+', '', readable) or 'project'}-{digest}"


def _dotted(text: str) -> str:
    """*text* as far as the name of an object in Kubernetes can have it."""
    lowered = re.sub(r"[^a-z0-9.-]", "", ascii_of(text).lower())
    return re.sub(r"[-.]*\.[-.]*", ".", lowered).strip("-.")


def _shares(sizes: list[int], room: int) -> list[int]:
    """How much of each of several texts fits when the longest are shortened first."""
    while sum(sizes) > room:
        longest = sizes.index(max(sizes))
        sizes = [size - 1 if number == longest else size for number, size in enumerate(sizes)]
    return sizes


def _ends(text: str, size: int) -> str:
    """The beginning and the end of a text that is too long.

    >>> _ends("trainingflow", 6), _ends("eval", 6)
    ('tralow', 'eval')
    """
    return text if len(text) <= size else text[: size - size // 2] + text[len(text) - size // 2 :]


def _valid_deployment_name(name: str) -> str:
    if not _DEPLOYMENT_NAME.match(name) or len(name) > TEMPLATE_NAME_LIMIT:
        raise NamingError(
            f"the name {name!r} cannot be used in Argo: write at most {TEMPLATE_NAME_LIMIT} lower-case letters, "
            "digits, '-' and '.', beginning with a letter and ending with a letter or a digit"
        )
    return name
