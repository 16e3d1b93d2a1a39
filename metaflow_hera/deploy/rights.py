"""Who may change what is deployed: its owner, who deployed it last, and whoever has its production token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from metaflow_hera.backends import Backend, Deployment
from metaflow_hera.deploy.tokens import TokenFile, is_token
from metaflow_hera.errors import ForeignDeploymentError, NotDeployedError, ProductionTokenError
from metaflow_hera.labels import Annotations
from metaflow_hera.naming import PRODUCTION_TAG
from metaflow_hera.plan.records import Plan
from metaflow_hera.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Lock:
    """What keeps others from changing a deployment, or from deploying into its namespace."""

    called: str
    """The deployment, or the namespace, for messages."""
    owner: str
    """Empty for one that is nobody's."""
    digest: str
    """Of the token, empty if there is none."""
    place: str
    namespace: str

    @classmethod
    def of(cls, plan: Plan) -> Lock:
        annotations = plan.annotations
        return cls(
            called=f"the deployment {plan.name!r}",
            owner=annotations.get(Annotations.DEPLOYER, ""),
            digest=annotations.get(Annotations.TOKEN_DIGEST, ""),
            place=annotations.get(Annotations.PLACE, ""),
            namespace=annotations.get(Annotations.PRODUCTION, ""),
        )


@dataclass(frozen=True, kw_only=True)
class Rights:
    """Of whoever uses these settings; *given* is the token of this very command, None for that of settings or file."""

    settings: Settings
    given: str | None = None

    def open(self, lock: Lock) -> bool:
        """Whether they are enough: a token is looked for only where the user is not the owner.

        One that is given for this very command counts, whoever gives it: if it is wrong, something else may be, too.
        """
        if self.given is not None and lock.digest:
            return is_token(self.given.removeprefix(PRODUCTION_TAG), lock.digest)
        if self.own(lock):
            return True
        return bool(lock.digest) and any(is_token(token, lock.digest) for token in self._tokens(lock))

    def own(self, lock: Lock) -> bool:
        """Whether the user is the owner of what is locked, or nobody is."""
        return lock.owner in ("", self.settings.user)

    def require(self, lock: Lock, what: str) -> None:
        """`ProductionTokenError` if they are not enough for *what*, such as ``deleting it``."""
        if self.open(lock):
            return
        if self.own(lock):
            raise ProductionTokenError(
                f"the token that was given is not that of {lock.called}; {what} takes none of you: leave it out"
            )
        raise ProductionTokenError(
            f"{lock.called} belongs to {lock.owner}, and you are {self.settings.user}; {what} takes its production "
            f"token: {self._advice(lock)}"
        )

    def token_of(self, lock: Lock) -> str | None:
        """The token that opens *lock*, if it is known here."""
        return next((token for token in self._tokens(lock) if is_token(token, lock.digest)), None)

    def _tokens(self, lock: Lock) -> Iterator[str]:
        if self.given is not None:
            yield self.given.removeprefix(PRODUCTION_TAG)
            return
        if self.settings.production_token:
            yield self.settings.production_token.removeprefix(PRODUCTION_TAG)
        if lock.place and lock.namespace and self.settings.token_home:
            kept = TokenFile.of(self.settings, lock.place, lock.namespace).read()
            yield from () if kept is None else (kept,)

    def _advice(self, lock: Lock) -> str:
        if not lock.digest:
            return f"it has no token, and gets one when {lock.owner} deploys it"
        if any(self._tokens(lock)):
            return "the token that was given is not its token"
        return (
            f"give that in MFHERA_PRODUCTION_TOKEN or with --authorize @FILE; `mfhera token` prints it for {lock.owner}"
        )


def require_for_run(deployment: str, backend: Backend, rights: Rights, what: str) -> None:
    """The same for runs of a deployment; those that have outlived theirs are nobody's."""
    if (found := deployed_as(deployment, backend)) is not None:
        rights.require(Lock.of(found.plan), what)


def deployed_as(name: str, backend: Backend) -> Deployment | None:
    """What of ours is deployed under that name, None for nothing."""
    try:
        return backend.deployment(name) if name else None
    except (NotDeployedError, ForeignDeploymentError):
        return None
