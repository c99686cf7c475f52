"""The agent's settings, read once from its environment.

Owns: names of variables → one frozen value.
Leaves to others: the ledger's own settings (`raibid.ledger.connection`).
"""

from __future__ import annotations

import math
import os
import re
import secrets
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from raibid.contract import LEASE_SECONDS, Env

_UNITS: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SIZE: Final = re.compile(r"(\d+)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_DOORS: Final = (
    "/run/buildkit/buildkitd.sock",
    "/run/containerd/containerd.sock",
    "/run/docker.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/systemd/private",
)
_DOORS_OF_USER: Final = ("bus", "docker.sock", "podman/podman.sock", "systemd/private")


def doors() -> tuple[Path, ...]:
    """Sockets at which a user has programs started that are nobody's children."""
    own = Path("/run/user", str(os.getuid()))
    return (*map(Path, _DOORS), *(own / name for name in _DOORS_OF_USER))


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """What an agent needs to know besides the job."""

    name: str
    workspace: Path  #: each job gets a directory of its own in it
    patience: float = LEASE_SECONDS + 15  #: seconds without a job until the agent gives up
    grace: float = 10.0  #: seconds from SIGTERM to SIGKILL
    checkout_timeout: float = 600.0
    secrets_dir: Path | None = None
    git_credentials_file: Path | None = None
    allow_file_repos: bool = False
    memory_limit: int = 0  #: bytes; 0: none
    deadline: float = math.inf  #: a build ends by then (`time.monotonic`)
    pass_env: tuple[str, ...] = ()
    fork_pass_env: tuple[str, ...] = ()  #: instead, for a fork's steps
    fork_read: tuple[Path, ...] = ()  #: what a fork's steps may read besides the system and the toolchain
    fork_registries: tuple[str, ...] = ()  #: hosts whose crates a fork's steps may see besides the public one's
    forks_without_landlock: bool = False
    doors: tuple[Path, ...] = field(default_factory=doors)  #: sockets that no fork's step may find open
    store: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Settings as `contract.Env` names them.

        An agent without a job waits a lease and 15 s: the job of an agent that died before it came is offered by then.

        Raises:
            ValueError: a value cannot be read; the message names the variable.
        """
        lease = float(env.get(Env.LEASE_SECONDS, LEASE_SECONDS))
        return cls(
            name=env.get(Env.AGENT_NAME) or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}",
            workspace=Path(env.get(Env.WORKSPACE) or Path(tempfile.gettempdir()) / f"raibid-{os.getuid()}"),
            patience=lease + 15,
            secrets_dir=_path(env, Env.SECRETS_DIR),
            git_credentials_file=_path(env, Env.GIT_CREDENTIALS_FILE),
            allow_file_repos=env.get(Env.ALLOW_FILE_REPOS, "").lower() in _TRUE,
            memory_limit=parse_size(env.get(Env.MEMORY_LIMIT, "")),
            deadline=time.monotonic() + float(env.get(Env.AGENT_SECONDS) or math.inf),
            pass_env=_names(env, Env.PASS_ENV),
            fork_pass_env=_names(env, Env.FORK_PASS_ENV),
            fork_read=tuple(Path(part) for part in env.get(Env.FORK_READ, "").split(os.pathsep) if part),
            fork_registries=_names(env, Env.FORK_REGISTRIES),
            forks_without_landlock=env.get(Env.FORKS_WITHOUT_LANDLOCK, "").lower() in _TRUE,
            store=env.get(Env.STORE, ""),
            environment=dict(env),
        )


def parse_size(text: str) -> int:
    """Bytes of `512M`, `4G`, `8GiB` or a plain number; 0 for nothing.

    Raises:
        ValueError: not a size.
    """
    if not text.strip():
        return 0
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{Env.MEMORY_LIMIT}={text!r} is not a size: write 4G, 512M or a number of bytes")
    return int(match[1]) * _UNITS[match[2].lower()]


def _names(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in env.get(name, "").split(",") if part.strip())


def _path(env: Mapping[str, str], name: str) -> Path | None:
    value = env.get(name)
    return Path(value) if value else None
