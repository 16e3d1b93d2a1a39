"""Production tokens: secrets by which deployments are changed that somebody else made.

A token is ``<production namespace>-<random>``. Everybody may know the namespace, nobody else the token: what is kept
where others read is a digest, salted and slow to compute. The token itself lies in a file of its owner's. A token
guards against accidents, not against people with bad intentions: who deployed what is what its deployer said, and
whoever may write the objects of the cluster can change them without asking here. Roles in the cluster are what keeps
people out (`mfhera rbac`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from metaflow_hera.errors import SettingsError, UsageError
from metaflow_hera.naming import PRODUCTION_TAG
from metaflow_hera.production_names import checked_part
from metaflow_hera.settings import Settings

SECRET_BYTES = 24
"""Of the random part of a token."""

SHORTEST = 12
"""Characters of a token that somebody chose: its digest can be read, so a short one could be guessed from that."""

LONGEST = 500

_COST = 14
"""Of computing a digest, as a power of two: a twentieth of a second, 16 MiB."""


@dataclass(frozen=True, kw_only=True)
class TokenChoices:
    """What a deployer says of tokens."""

    authorize: str | None = None
    """That of the deployment as it is."""
    generate: bool = False
    """Make a new one, and so a new namespace."""
    new: str | None = None
    """The new one, which also makes a new namespace."""

    def __post_init__(self) -> None:
        if self.generate and self.new is not None:
            raise UsageError("--generate-new-token and --new-token say two things; give one of them")


KEEP_TOKEN = TokenChoices()


def new_token(namespace: str) -> str:
    return f"{namespace}-{secrets.token_urlsafe(SECRET_BYTES)}"


def checked_token(text: str) -> str:
    """A token that somebody chose; `UsageError` for one that cannot be, which is not shown."""
    token = text.removeprefix(PRODUCTION_TAG)
    if not token.isprintable() or " " in token or not token.isascii():
        raise UsageError("the new token has characters that are lost on their way; use ASCII letters, digits and signs")
    if not SHORTEST <= len(token) <= LONGEST:
        raise UsageError(
            f"the new token has {len(token)} characters; give {SHORTEST} to {LONGEST} that nobody guesses, or leave it "
            "to --generate-new-token"
        )
    return token


def namespace_of_chosen(prefix: str, token: str) -> str:
    """The namespace of a token that somebody chose: always the same, and of no help in guessing it.

    >>> namespace_of_chosen("parameterflow", "correct-horse-battery")
    'parameterflow-gr7teg3o'
    """
    derived = _scrypt(token, b"metaflow-hera namespace of " + prefix.encode())
    return f"{prefix}-{base64.b32encode(derived)[:8].decode().lower()}"


def digest_of(token: str) -> str:
    """What may be known of a token: enough to tell it from others, another one at each call."""
    salt = os.urandom(16)
    return ":".join(("scrypt", str(_COST), _text(salt), _text(_scrypt(token, salt))))


def is_token(token: str, digest: str) -> bool:
    """Whether this is the token of that digest; False for what is no digest.

    >>> is_token("correct-horse", digest_of("correct-horse")), is_token("wrong", digest_of("correct-horse"))
    (True, False)
    """
    try:
        kind, cost, salt, expected = digest.split(":")
        if kind != "scrypt" or not 1 <= int(cost) <= _COST + 2:
            return False
        derived = _scrypt(token, base64.b64decode(salt, validate=True), int(cost))
        return hmac.compare_digest(derived, base64.b64decode(expected, validate=True))
    except ValueError:  # of what somebody else has written there
        return False


def _scrypt(token: str, salt: bytes, cost: int = _COST) -> bytes:
    size = 2**cost
    return hashlib.scrypt(
        token.encode(errors="surrogatepass"), salt=salt, n=size, r=8, p=1, maxmem=256 * 8 * size, dklen=32
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass(frozen=True, slots=True)
class TokenFile:
    """Where the token of a namespace in one place is kept for its owner."""

    path: Path

    @classmethod
    def of(cls, settings: Settings, place: str, namespace: str) -> TokenFile:
        if not settings.token_home:
            raise SettingsError(
                "there is no home directory to keep production tokens in; choose a folder with MFHERA_TOKEN_HOME"
            )
        return cls(Path(settings.token_home, checked_part(place), checked_part(namespace)))

    def read(self) -> str | None:
        try:
            return self.path.read_text(encoding="utf-8").strip() or None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise SettingsError(f"{self.path}, which keeps a production token, cannot be read: {error}") from error

    def write(self, token: str) -> None:
        """Keep *token*, whole or not at all, for nobody else to read."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".new-")  # which is of mode 0600
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(f"{token}\n")
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self.path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise SettingsError(
                f"{self.path}, which should keep a production token, cannot be written: {error.strerror}; choose "
                "another folder with MFHERA_TOKEN_HOME"
            ) from error

    def claim(self, token: str) -> str:
        """Keep *token* unless one is kept already, whoever is faster; return the one that is kept."""
        if (kept := self.read()) is not None:
            return kept
        mine = TokenFile(self.path.with_name(f".{self.path.name}.{os.getpid()}.{secrets.token_hex(4)}"))
        mine.write(token)
        try:
            os.link(mine.path, self.path)
        except FileExistsError:
            return self.read() or token
        except OSError:  # a file system without links: of two at once, the last one stays
            self.write(token)
        finally:
            mine.path.unlink(missing_ok=True)
        return token

    def drop(self, token: str) -> None:
        """Forget *token*, which turned out to be of nothing."""
        if self.read() == token:
            self.path.unlink(missing_ok=True)
