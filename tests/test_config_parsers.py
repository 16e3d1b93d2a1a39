"""Parsers of well-known files, for configs."""

from __future__ import annotations

from typing import Any

import pytest

from metaflow_hera import (
    conda_environment_yml_parser,
    pyproject_toml_parser,
    requirements_txt_parser,
    yaml_parser,
)

REQUIREMENTS = """
# what the model needs
numpy == 1.26.4   # pinned
pandas>=2,<3
scikit_learn[extra, more] ~= 1.4
torch (>=2.0)
requests
"""

CONDA = """
channels: [conda-forge]
dependencies:
  - python=3.11
  - numpy=1.26.*
  - conda-forge::pandas >=2
  - requests
"""


def test_yaml_gives_plain_types() -> None:
    assert yaml_parser("a: {b: [1, yes, null, x]}") == {"a": {"b": [1, True, None, "x"]}}
    with pytest.raises(Exception, match="could not determine a constructor"):
        yaml_parser("a: !!python/object:os.system {}")


def test_requirements_give_packages_with_their_versions() -> None:
    assert requirements_txt_parser(REQUIREMENTS) == {
        "packages": {
            "numpy": "1.26.4",
            "pandas": ">=2,<3",
            "scikit_learn[extra,more]": "~=1.4",
            "torch": ">=2.0",
            "requests": "",
        }
    }


@pytest.mark.parametrize(
    "line", ["-r other.txt", "--index-url https://x", "git+https://x/y.git", "a @ file:///x", "a; python_version<'3'"]
)
def test_a_requirement_that_is_no_package_is_told_with_its_line(line: str) -> None:
    with pytest.raises(ValueError, match=r"^line 2: .* is no name of a package with versions, such as numpy>=1\.26,<3"):
        requirements_txt_parser(f"numpy\n{line}\n")


def test_a_project_gives_its_dependencies_and_versions_of_python() -> None:
    text = '[project]\nname = "x"\nrequires-python = ">=3.11"\ndependencies = ["numpy>=1.26", "requests"]\n'

    assert pyproject_toml_parser(text) == {"packages": {"numpy": ">=1.26", "requests": ""}, "python": ">=3.11"}
    assert pyproject_toml_parser("[tool.x]\n") == {"packages": {}}


def test_an_environment_of_conda_gives_packages_and_python() -> None:
    assert conda_environment_yml_parser(CONDA) == {
        "packages": {"numpy": "1.26.*", "pandas": ">=2", "requests": ""},
        "python": "3.11",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: x", "there is no list of dependencies"),
        ("- numpy", "there is no list of dependencies"),
        ("dependencies:\n  - pip: [numpy]", "is no package of conda; list packages of pip elsewhere"),
    ],
)
def test_what_is_no_environment_of_conda_is_told(text: str, told: Any) -> None:
    with pytest.raises(ValueError, match=told):
        conda_environment_yml_parser(text)
