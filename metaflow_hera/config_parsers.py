"""Parsers for configs: from the text of a well-known file to a dictionary.

They run where a flow is launched, never in tasks. Those of dependencies give ``packages``, each name with its versions
as written (``==`` left out), and ``python`` if the file says which.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*(?:\s*\[[^\]]*\])?)\s*\(?\s*([^()]*?)\s*\)?\Z")
_CONDA = re.compile(r"(?:[^\s:]+::)?([A-Za-z0-9_.-]+)\s*(.*)\Z")


def yaml_parser(text: str) -> Any:
    """The content of a YAML file, of plain types alone."""
    import yaml  # for this parser only

    return yaml.safe_load(text)


def requirements_txt_parser(text: str) -> dict[str, Any]:
    """The packages of a requirements.txt; `ValueError` for options, links and conditions, which have no place here."""
    packages: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if requirement := re.sub(r"(^|\s)#.*", "", line).strip():
            _add(packages, requirement, f"line {number}")
    return {"packages": packages}


def pyproject_toml_parser(text: str) -> dict[str, Any]:
    """The dependencies of the project in a pyproject.toml, and the versions of Python that it takes."""
    project = tomllib.loads(text).get("project", {})
    packages: dict[str, str] = {}
    for requirement in project.get("dependencies", ()):
        _add(packages, requirement, "project.dependencies")
    python = project.get("requires-python")
    return {"packages": packages, **({"python": python} if python else {})}


def conda_environment_yml_parser(text: str) -> dict[str, Any]:
    """The packages of conda in an environment.yml; `ValueError` for those of pip in it."""
    content = yaml_parser(text)
    listed = content.get("dependencies") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise ValueError("there is no list of dependencies")
    packages: dict[str, str] = {}
    for dependency in listed:
        match = _CONDA.match(dependency) if isinstance(dependency, str) else None
        if match is None:
            raise ValueError(f"dependencies: {dependency!r} is no package of conda; list packages of pip elsewhere")
        packages[match[1]] = match[2].strip().removeprefix("==").removeprefix("=").strip()
    python = packages.pop("python", "")
    return {"packages": packages, **({"python": python} if python else {})}


def _add(packages: dict[str, str], requirement: str, where: str) -> None:
    match = _REQUIREMENT.match(requirement)
    if match is None or re.search(r"[;@\\]|://", requirement):
        raise ValueError(f"{where}: {requirement!r} is no name of a package with versions, such as numpy>=1.26,<3")
    packages[re.sub(r"\s", "", match[1])] = re.sub(r"\s", "", match[2]).removeprefix("==")
