"""Every error that is raised on purpose.

::

    MetaflowHeraError               exit code 1: the user's problem, told in one sentence
    ├── UsageError                  exit code 2: a command line or a call that cannot be understood
    │   ├── ParameterError          a value that a flow's parameter cannot take
    │   ├── ConfigError             a config of a flow that has no value, or none that can be
    │   ├── InvalidPathError        a path that is none of an object of the Client
    │   └── TaggingError            a tag that cannot be, or that cannot be removed
    ├── FlowError                   a flow that breaks rules: all of them at once
    │   ├── DefaultFailedError      a function for the default of a parameter raised something
    │   └── DefaultTypeError        such a function gave a value of another type
    ├── SettingsError               a setting with a value that cannot be
    ├── NamingError                 a name that cannot be carried to where it has to go
    ├── ArtifactError               a value that cannot be stored or read back
    ├── StoreError                  a datastore that cannot be used
    │   ├── MissingKeyError         no object of that key
    │   └── ConflictError           the object is not in the version that the writer expected
    ├── PackageError                a code package that cannot be made or unpacked
    ├── ManifestError               a manifest with something that is not in our subset of Argo
    ├── BackendError                where flows run cannot do what was asked
    │   ├── NotDeployedError        no deployment of that name
    │   ├── ForeignDeploymentError  what has that name is none of ours
    │   ├── ProductionTokenError    a deployment of somebody else's, without its token
    │   ├── UnknownRunError         no run of that id
    │   ├── ForeignRunError         what has that id is none of ours
    │   └── EngineError             the embedded engine does not run, or does not answer
    ├── EventError                  an event that cannot be published
    ├── StepError                   a task went wrong outside of the user's own code
    │   └── MergeArtifactsError     the inputs of a join disagree on artifacts, or have none of a name
    ├── SecretError                 a secret that cannot be had, or cannot become an environment variable
    ├── RunFailedError              a run that ended, but not well
    │   └── ProcessError            the process that Python code started for a flow ended badly; a RuntimeError
    └── NotFoundError               the Client has no object of that path
        └── WrongNamespaceError     it exists, but in another namespace
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple


class MetaflowHeraError(Exception):
    """The root; its text is a whole message: where, what was found, what to do."""

    exit_code: ClassVar[int] = 1
    headline: ClassVar[str] = "The flow cannot go on"
    """The kind of the problem in a few words, for who shows it with the message below."""
    known_as: ClassVar[str] = "metaflow.exception.MetaflowException"
    """How records name this class, but none derived from it: by the name that flows have it from."""

    def __init__(self, msg: str = "", lineno: int | None = None, source_file: str | None = None) -> None:
        super().__init__(msg)
        self.line_no = lineno
        self.source_file = source_file

    @property
    def message(self) -> str:
        return str(self)


class UsageError(MetaflowHeraError):
    """A command line or a call that cannot be understood."""

    exit_code = 2
    headline = "Cannot be understood"


class ParameterError(UsageError):
    """A value that a flow's parameter cannot take."""

    headline = "Parameters are wrong"


class ConfigError(UsageError):
    """A config of a flow that has no value, or none that can be."""


class InvalidPathError(UsageError):
    """A path that is none of an object of the Client."""

    headline = "Not a path"


class TaggingError(UsageError):
    """A tag that cannot be, or that cannot be removed."""

    headline = "Tags are unchanged"


class ArgumentError(UsageError, ValueError):
    """An argument of a call from Python that is missing, unknown or wrong; a `ValueError`, as with the peer."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument of a type that it cannot have; a `TypeError`, as with the peer."""


class Problem(NamedTuple):
    """One broken rule: the sentence, and where it is if that is known.

    >>> print(Problem("step 'a' goes to 'b', which is not a step", file="f.py", line=3))
    f.py:3: step 'a' goes to 'b', which is not a step
    """

    text: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        where = [str(part) for part in (self.file, self.line) if part is not None]
        return f"{':'.join(where)}: {self.text}" if where else self.text


class FlowError(MetaflowHeraError):
    """A flow that breaks rules: all of them at once, each with its file and line."""

    headline = "Rules are broken"

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems = (Problem(problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[FlowError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class DefaultFailedError(FlowError):
    """A function for the default of a parameter raised something."""


class DefaultTypeError(FlowError):
    """A function for the default of a parameter gave a value of another type."""


class SettingsError(MetaflowHeraError):
    """A setting with a value that cannot be."""


class NamingError(MetaflowHeraError):
    """A name that cannot be carried to where it has to go."""


class ArtifactError(MetaflowHeraError):
    """A value that cannot be stored or read back."""


class StoreError(MetaflowHeraError):
    """A datastore that cannot be used: missing, forbidden, out of reach, full."""

    headline = "The datastore cannot be used"


class MissingKeyError(StoreError):
    """No object of that key."""


class ConflictError(StoreError):
    """The object is not in the version that the writer expected."""


class PackageError(MetaflowHeraError):
    """A code package that cannot be made or unpacked."""


class ManifestError(MetaflowHeraError):
    """A manifest with something that is not in our subset of Argo."""


class BackendError(MetaflowHeraError):
    """Where flows run cannot do what was asked."""


class NotDeployedError(BackendError):
    """No deployment of that name."""


class ForeignDeploymentError(BackendError):
    """What has that name where flows are deployed is none of ours."""


class ProductionTokenError(BackendError):
    """A deployment of somebody else's, and no token, or the token of another one; its text has no token."""

    headline = "The production token is needed"


class UnknownRunError(BackendError):
    """No run of that id."""


class ForeignRunError(BackendError):
    """What has that id where flows run is none of ours."""


class EngineError(BackendError):
    """The embedded engine does not run, or does not answer."""


class EventError(MetaflowHeraError):
    """An event that cannot be published."""


class StepError(MetaflowHeraError):
    """A task went wrong outside of the user's own code: its inputs, its transition, its outputs."""


class MergeArtifactsError(StepError):
    """The inputs of a join disagree on artifacts, or have none of a name."""

    headline = "Artifacts cannot be merged"

    def __init__(self, message: str, artifact_names: Sequence[str] = ()) -> None:
        self.artifact_names = tuple(artifact_names)
        super().__init__(message)


class SecretError(MetaflowHeraError):
    """A secret that cannot be had, or cannot become an environment variable; its text has no value of any."""


class RunFailedError(MetaflowHeraError):
    """A run that ended, but not well; *run* is the Client's, None if there is nothing of it to see."""

    headline = "The run failed"

    def __init__(self, message: str, run: Any = None) -> None:
        self.run = run
        super().__init__(message)

    def __reduce__(self) -> tuple[type[RunFailedError], tuple[str, Any]]:
        return type(self), (str(self), self.run)


class ProcessError(RunFailedError, RuntimeError):
    """The process that Python code started for a flow ended badly; a `RuntimeError`, as with the peer."""


class NotFoundError(MetaflowHeraError, KeyError):
    """The Client has no object of that path; a `KeyError`, since ``flow["17"]`` raises it."""

    headline = "Not found"

    __str__ = Exception.__str__  # a KeyError would show its message quoted


class WrongNamespaceError(NotFoundError):
    """The object exists, but in another namespace."""

    headline = "In another namespace"
