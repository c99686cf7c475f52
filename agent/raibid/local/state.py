"""The pool's state directory: where everything lives, who may read it, and that only one pool uses it.

Owns: the paths, the lock, the secrets (made once, 0600), the card by which other commands find a running pool.
Leaves to others: what is in the files of Redis, of the archive, of the repositories.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from raibid.contract import AclUser
from raibid.local.errors import StateError

_USERS: Final = (AclUser.API, AclUser.AGENT, AclUser.KEDA)


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What a running pool says of itself, so that `raibid jobs` needs no options on the same machine."""

    url: str
    pid: int
    max_agents: int


@dataclass(frozen=True)
class StateDir:
    """The paths. Everything below is readable by its owner alone."""

    path: Path

    @property
    def webhook_secret(self) -> Path:
        """Signs the deliveries of the post-receive hook."""
        return self.path / "secrets" / "webhook"

    @property
    def read_token(self) -> Path:
        """Bearer token that may look at jobs and logs."""
        return self.path / "secrets" / "read-token"

    @property
    def write_token(self) -> Path:
        """Bearer token that may also start, cancel, pause."""
        return self.path / "secrets" / "write-token"

    def redis_password(self, user: str) -> Path:
        """Password of one of Redis' users."""
        return self.path / "secrets" / f"{user}.password"

    @property
    def acl_file(self) -> Path:
        """Redis' users: passwords as digests only."""
        return self.path / "redis" / "users.acl"

    @property
    def redis(self) -> Path:
        """Redis' own directory."""
        return self.path / "redis"

    @property
    def logs(self) -> Path:
        """A file per process."""
        return self.path / "logs"

    @property
    def store(self) -> Path:
        """Archive and artifacts of finished jobs."""
        return self.path / "store"

    @property
    def workspaces(self) -> Path:
        """Where agents check out."""
        return self.path / "workspaces"

    @property
    def repositories(self) -> Path:
        """Bare repositories that the pool serves: `<owner>/<name>.git`."""
        return self.path / "repositories"

    @property
    def checkouts(self) -> Path:
        """Working copies one can edit and push from."""
        return self.path / "checkouts"

    def card(self) -> Card | None:
        """The running pool's card; None when no pool runs here."""
        try:
            return msgspec.json.decode((self.path / "pool.json").read_bytes(), type=Card)
        except (OSError, msgspec.MsgspecError):
            return None

    @contextmanager
    def announced(self, url: str, max_agents: int) -> Iterator[None]:
        """The pool's card is there while the block runs."""
        card = Card(url=url, pid=os.getpid(), max_agents=max_agents)
        file = self.path / "pool.json"
        write_private(file, msgspec.json.encode(card).decode())
        try:
            yield
        finally:
            file.unlink(missing_ok=True)

    def passwords(self) -> Mapping[str, str]:
        """Redis' users and their passwords."""
        return {user: read_secret(self.redis_password(user)) for user in _USERS}


def default_path(env: Mapping[str, str] = os.environ) -> Path:
    """`$XDG_STATE_HOME/raibid/local`, else the same below ~/.local/state."""
    base = env.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "raibid" / "local"


@contextmanager
def opened(path: Path | None) -> Iterator[StateDir]:
    """A state directory that this process alone uses; None: a temporary one, gone after the block.

    Raises:
        StateError: another pool has it, or it cannot be written.
    """
    if path is None:
        with tempfile.TemporaryDirectory(prefix="raibid-") as scratch, _locked(Path(scratch)) as state:
            yield state
        return
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise StateError(f"cannot use {path}: {error.strerror}; choose another with --state DIR") from error
    with _locked(path.resolve()) as state:
        yield state


@contextmanager
def _locked(path: Path) -> Iterator[StateDir]:
    state = StateDir(path)
    with (path / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            card = state.card()
            who = f"a pool runs already at {card.url} (pid {card.pid})" if card else "another pool is just starting"
            raise StateError(f"{who}; it uses {path}: stop that one, or choose --state DIR") from None
        _fill(state)
        yield state


def _fill(state: StateDir) -> None:
    """Make the directories and the secrets that are not there yet."""
    for directory in (
        state.path / "secrets",
        state.redis,
        state.logs,
        state.store,
        state.workspaces,
        state.repositories,
        state.checkouts,
    ):
        directory.mkdir(mode=0o700, exist_ok=True)
    files = [state.webhook_secret, state.read_token, state.write_token, *map(state.redis_password, _USERS)]
    for file in files:
        if not file.exists():
            write_private(file, secrets.token_hex(32))


def write_private(file: Path, text: str) -> None:
    """Write a file that its owner alone may read: never, not even for a moment, with a wider mode."""
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    draft.replace(file)


def read_secret(file: Path) -> str:
    """A secret's text, without the line end."""
    return file.read_text(encoding="utf-8").strip()
