"""Checks, tests, goldens and benchmarks; `nox --list` shows them, `nox` runs the first three."""

from __future__ import annotations

import os

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False

PROJECT = nox.project.load_toml("pyproject.toml")
PATHS = ("metaflow_hera", "tests", "examples", "benchmarks", "noxfile.py", "start.py")


def install(session: nox.Session, *groups: str) -> None:
    """This project, editable, and the groups of pyproject.toml."""
    requirements = nox.project.dependency_groups(PROJECT, *groups)
    session.install("--disable-pip-version-check", "--editable", ".", *requirements)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff: format and rules."""
    session.install("--disable-pip-version-check", *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "format", "--check", *PATHS)
    session.run("ruff", "check", *PATHS)


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    install(session, "types")
    session.run("mypy")


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """All tests but those that need a cluster; arguments after ``--`` go to pytest."""
    install(session, "test")
    session.run("pytest", "--numprocesses", "auto", "--dist", "loadgroup", *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """The examples alone: their manifests, and their runs on both engines."""
    install(session, "test")
    session.run("pytest", "tests/test_examples.py", *session.posargs)


@nox.session
def golden(session: nox.Session) -> None:
    """Write the manifests of the examples anew; review the difference like code."""
    install(session)
    session.run("python", "tests/goldens.py")


@nox.session
def bench(session: nox.Session) -> None:
    """Figures of speed and size beside bare measures of the same machine."""
    install(session, "test")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def bench_cluster(session: nox.Session) -> None:
    """A foreach of 1,000 on a real Argo: time, size of the Workflow, memory of the controller."""
    install(session, "test")
    session.run("python", "-m", "benchmarks.cluster", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """2,000 changed flow files: each is refused in sentences, or runs as the check saw it."""
    install(session, "test")
    session.run("pytest", "tests/graph/test_fuzz.py", *session.posargs, env={"MFHERA_FUZZ": "2000"})


@nox.session
def cluster(session: nox.Session) -> None:
    """Compiled flows on a real Argo: the cluster of KUBECONFIG and the bucket of the environment."""
    install(session, "test")
    kubeconfig = os.environ.get("KUBECONFIG", "")
    environment = {"KUBECONFIG": kubeconfig, "MFHERA_TEST_KUBECONFIG": kubeconfig}
    session.run(
        "pytest", "tests/cluster", "tests/backends", "-v", "-k", "not embedded", *session.posargs, env=environment
    )
