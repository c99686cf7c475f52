"""What the steps of a fork's build may touch: read and run the system, write their own room, and nothing else.

Owns: the list, and the reasons why an agent cannot keep it.
Leaves to others: the kernel's side (`landlock.py`), when a build gets a fence (`fork.py`).

A list of what is allowed, not of what is secret: a new secret is out of reach without anybody having thought of it.
What a fence does not cover is in docs/agent.md.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from raibid.contract import Env
from raibid.worker import landlock
from raibid.worker.cargo_home import KINDS, shown_registries
from raibid.worker.config import AgentConfig
from raibid.worker.errors import InfrastructureError, JobFaultError
from raibid.worker.landlock import READ, RUN, WRITE, Access
from raibid.worker.workspace import Workspace, disk_error

OLDEST_ABI: Final = 3
"""Linux 6.2. Before it a file that may only be read could be truncated, so a shared cache was not read-only."""

_RUN: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store")
_READ: Final = (
    # What is behind a process's own names there (environ, mem, fd, root) asks for the right to trace it, which
    # Landlock gives within the fence only.
    "/proc",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
    "/dev/random",
    "/dev/urandom",
    *(
        f"/etc/{name}"
        for name in (
            "alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies",
            "debian_version", "fonts", "gai.conf", "group", "host.conf", "hostname", "hosts", "inputrc",
            "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "locale.alias", "locale.conf", "mime.types",
            "nsswitch.conf", "os-release", "passwd", "pki/ca-trust", "pki/tls/certs", "protocols", "python3",
            "resolv.conf", "services", "ssl/cert.pem", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone",
        )
    ),
)  # fmt: skip
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full")
_DEVICE: Final = Access.READ_FILE | Access.WRITE_FILE | Access.TRUNCATE | Access.IOCTL_DEV
_LAUNCHER: Final = "launcher"  # what went wrong if it never got so far as to say it
_AUTHORITIES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_SCCACHE_PORT: Final = 4226
"""Where sccache's server listens unless told otherwise: that of a trusted job would put into the shared cache what it
is given to compile, whoever asks."""
_SECRETS_BELOW_HOME: Final = (
    ".aws", ".azure", ".cargo/credentials", ".cargo/credentials.toml", ".config/gcloud", ".config/gh", ".docker",
    ".git-credentials", ".gnupg", ".kube", ".netrc", ".npmrc", ".pypirc", ".ssh",
)  # fmt: skip
_SERVICE_ACCOUNT: Final = "/run/secrets/kubernetes.io"


@dataclass(frozen=True, kw_only=True)
class Fence:
    """Around every step of one build."""

    paths: tuple[tuple[str, int], ...]  #: each with its rights (`landlock.Access`), for all below it
    closed_ports: tuple[int, ...]  #: TCP ports no step connects to
    order: Path  #: what the launcher is to do; where no step can write
    fault: Path  #: what it could not do; empty once it has become the step

    def behind(self, argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
        """The command line that becomes `argv` with `env`, behind the fence. To be started with `launcher_env`."""
        order = {"paths": self.paths, "closed_ports": self.closed_ports, "argv": list(argv), "env": dict(env)}
        # Not by arguments or environment: `LD_LIBRARY_PATH: target/lib` in a pipeline would let the launcher itself,
        # which has no fence yet, load a stranger's library.
        try:
            self.order.write_text(json.dumps(order), encoding="utf-8")
            self.fault.write_text(f"{errno.ECHILD} {_LAUNCHER}", encoding="utf-8")
        except OSError as error:
            raise disk_error(error) from error
        return [sys.executable, "-I", "-S", landlock.__file__, str(self.order), str(self.fault)]

    def check(self, program: str) -> None:
        """Whether the program ran, and behind the fence.

        Raises:
            JobFaultError: no system starts it. InfrastructureError: there was no fence, or it does not start here.
        """
        said = self.fault.read_text(encoding="utf-8")
        if not said:
            return
        code, _, where = said.partition(" ")
        why = os.strerror(int(code))
        if where == landlock.START and int(code) in (errno.E2BIG, errno.EINVAL):
            raise JobFaultError(f"{program} cannot be given this script or environment: {why}")
        raise InfrastructureError(f"{program} does not start behind its fence ({where}): {why}")


def launcher_env(config: AgentConfig) -> dict[str, str]:
    """The environment of the launcher: the name by which the local scaler finds what a killed agent left."""
    return {Env.AGENT_NAME: config.name}


def fence(config: AgentConfig, room: Workspace, env: Mapping[str, str]) -> Fence:
    """The fence for steps with this environment in this room.

    Args:
        config: names the ledger and what operators let forks read besides (`Env.FORK_READ`).
        room: where the build may write.
        env: of the trusted steps: where the toolchain and the shared caches are.
    """
    # The agent's own code as well: the default pipeline has it read cargo's messages.
    code = [sys.prefix, sys.base_prefix, str(Path(landlock.__file__).parents[2])]
    programs = [*_RUN, *code, *_absolute(env.get("PATH", "").split(os.pathsep))]
    programs += [env["RUSTUP_HOME"]] if "RUSTUP_HOME" in env else []
    shared = [str(path) for path in _crates(config, env)]
    shared += [env[name] for name in _AUTHORITIES if name in env]
    return Fence(
        paths=(
            *((path, int(RUN)) for path in [*programs, *map(str, config.fork_read)]),
            *((path, int(READ)) for path in [*_READ, *shared]),
            *((path, int(_DEVICE)) for path in _DEVICES),
            *((str(path), int(WRITE)) for path in (room.checkout, room.home, room.tmp)),
        ),
        closed_ports=_closed_ports(config.environment),
        order=room.root / "order.json",
        fault=room.root / "fault",
    )


def objections(fence: Fence, config: AgentConfig, abi: int) -> tuple[str, ...]:
    """Why a fork's steps are not to run on this agent, in words for its operator. None: they may."""
    if abi < OLDEST_ABI:
        has = f"Landlock ABI {abi}" if abi else "no Landlock"
        return (f"this kernel has {has}, and steps of a fork need ABI {OLDEST_ABI} (Linux 6.2)",)
    machine = os.uname().machine
    unknown = [] if machine in landlock.MACHINES else [f"the numbers of {machine}'s system calls are not known here"]
    readable = [(path, Path(path).resolve()) for path, rights in fence.paths if rights & Access.READ_FILE]
    exposed = [
        f"{name} ({secret}) lies below {path}, which its steps may read"
        for name, secret in _secrets(config)
        for path, real in readable
        if secret.resolve().is_relative_to(real)
    ]
    doors = [
        f"the agent's user may write to {door}, and Landlock does not close sockets"
        for door in _doors(config)
        if _open_door(door)
    ]
    # Its port is closed, and not one that forwards to it: what keeps strangers from it is the password.
    bare = [] if _has_password(config.environment) else ["the ledger has no password"]
    return (*unknown, *exposed, *doors, *bare)


def gaps(abi: int) -> str:
    """What a fence of this kernel leaves open, for the log; empty if nothing that a newer one closes."""
    missing = []
    if abi < landlock.PORTS_SINCE:
        missing.append(f"TCP ports (ABI {landlock.PORTS_SINCE})")
    if abi < landlock.SCOPES_SINCE:
        missing.append(f"signals and abstract sockets (ABI {landlock.SCOPES_SINCE})")
    return f"Landlock ABI {abi} does not restrict {', '.join(missing)}" if missing else ""


def _crates(config: AgentConfig, env: Mapping[str, str]) -> Iterator[Path]:
    """Where the shared crates are that a fork may see: each registry for itself, one that comes later is not in it."""
    if "CARGO_HOME" in env:
        for kind in KINDS:
            yield from shown_registries(Path(env["CARGO_HOME"], "registry", kind), config.fork_registries)


def _secrets(config: AgentConfig) -> Iterator[tuple[str, Path]]:
    """What no fork's step may read, and what to call it. Other jobs' rooms are in the workspace."""
    environment = config.environment
    yield Env.WORKSPACE, config.workspace
    if config.secrets_dir:
        yield Env.SECRETS_DIR, config.secrets_dir
    for name in sorted(environment):
        if name.startswith("RAIBID_") and name.endswith("_FILE") and environment[name]:
            yield name, Path(environment[name])
    if config.git_credentials_file and Env.GIT_CREDENTIALS_FILE not in environment:
        yield Env.GIT_CREDENTIALS_FILE, config.git_credentials_file
    yield "the service account", Path(_SERVICE_ACCOUNT)
    home = Path(environment.get("HOME") or Path.home())
    yield from ((f"~/{name}", home / name) for name in _SECRETS_BELOW_HOME if (home / name).exists())


def _doors(config: AgentConfig) -> Iterable[Path]:
    """Sockets behind which somebody does what the agent's user asks for, without a fence."""
    environment = config.environment
    agents = [environment["SSH_AUTH_SOCK"]] if environment.get("SSH_AUTH_SOCK") else []
    return [*config.doors, *map(Path, agents)]


def _open_door(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode) and os.access(path, os.W_OK)
    except OSError:
        return False  # not there, or not for this user


def _has_password(environment: Mapping[str, str]) -> bool:
    return any(environment.get(name) for name in (Env.REDIS_PASSWORD, Env.REDIS_PASSWORD_FILE))


def _closed_ports(environment: Mapping[str, str]) -> tuple[int, ...]:
    ledger = urlsplit(environment.get(Env.REDIS_URL, ""))
    return (_SCCACHE_PORT,) if ledger.scheme == "unix" else (_SCCACHE_PORT, ledger.port or 6379)


def _absolute(paths: Iterable[str]) -> list[str]:
    """A relative directory in PATH is one of the checkout's, if of any."""
    return [path for path in paths if Path(path).is_absolute()]
