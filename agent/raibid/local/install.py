"""Finding what the pool needs on this machine, and installing redis-server where that is allowed.

Owns: which package manager, the exact commands (said before they run), the sentence when nothing can be done.
Leaves to others: starting what was found. Nothing is piped into a shell; packages come signed from the system's own
package manager.

The pool is Linux only: agents use pipe2, pidfd and cgroups.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from raibid.contract import Env
from raibid.local.errors import InstallError

_MANAGERS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    # `update` first: a fresh container image has no package lists at all.
    "apt-get": (("apt-get", "update", "-qq"), ("apt-get", "install", "-qq", "-y", "redis-server")),
    "dnf": (("dnf", "install", "-y", "-q", "redis"),),
}
_REMEDY: Final = "install it (Debian, Ubuntu: apt-get install redis-server; Fedora: dnf install redis)"


def require_linux(system: str = sys.platform) -> None:
    """Return on Linux.

    Raises:
        InstallError: this is another system.
    """
    if system != "linux":
        raise InstallError(f"the pool runs on Linux only, and this is {system}: use a Linux machine, VM or container")


def ensure_redis_server(say: Callable[[str], None]) -> str:
    """Path of redis-server, installed first if it is missing. `say` gets each command before it runs.

    Raises:
        InstallError: it is missing and this user may not install it, or the package manager failed.
    """
    found = shutil.which("redis-server")
    if found:
        return found
    for command in install_commands():
        say(f"redis-server is missing; running: {' '.join(command)}")
        _run(command)
    found = shutil.which("redis-server")
    if not found:
        raise InstallError(f"redis-server is not on PATH even after its installation: {_REMEDY}, then again")
    return found


def install_commands() -> list[list[str]]:
    """The commands that install redis-server here, with sudo in front where it needs no password.

    Raises:
        InstallError: no known package manager, or no right to use it.
    """
    manager = next((m for m in _MANAGERS if shutil.which(m)), None)
    if manager is None:
        raise InstallError(f"redis-server is missing and this machine has neither apt-get nor dnf: {_REMEDY}")
    prefix: list[str] = []
    if os.geteuid() != 0:
        if not _passwordless_sudo():
            raise InstallError(f"redis-server is missing and installing it needs root: {_REMEDY}, then again")
        prefix = ["sudo", "-n"]
    return [[*prefix, *command] for command in _MANAGERS[manager]]


def find_cargo() -> str | None:
    """Path of cargo as the steps will find it, or None."""
    return shutil.which("cargo", path=toolchain()["PATH"])


def toolchain() -> dict[str, str]:
    """The user's Rust for steps, whose environment is built from scratch: all agents share one crate cache."""
    home = Path.home()
    cargo = Path(os.environ.get("CARGO_HOME") or home / ".cargo")
    rustup = Path(os.environ.get("RUSTUP_HOME") or home / ".rustup")
    shared = {"CARGO_HOME": str(cargo)} | ({"RUSTUP_HOME": str(rustup)} if rustup.is_dir() else {})
    path = os.environ.get("PATH", os.defpath)
    if (cargo / "bin").is_dir():
        # rustup's own folder: a non-login shell often has not got it on PATH.
        path = f"{path}{os.pathsep}{cargo / 'bin'}"
    passed = [*shared, *filter(None, [os.environ.get(Env.PASS_ENV)])]
    return {**shared, "PATH": path, Env.PASS_ENV: ",".join(passed)}


def _passwordless_sudo() -> bool:
    if not shutil.which("sudo"):
        return False
    return subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0


def _run(command: list[str]) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=env)
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise InstallError(f"`{' '.join(command)}` failed: {last}\n{_REMEDY}, then again")
