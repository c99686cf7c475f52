"""A stack's private place on this machine: what `make up` and `make preview` need so that nobody has to set it up.

Owns: a Pulumi project beside the checkout (its backend, its passphrase, a copy of the stack's settings with what only
this machine knows: the address of its Flux repository, its keys), readable by its owner alone.
Leaves to others: running the engine (`engine`), the keys themselves (`engine.stack_keys`), real stacks
(`pulumi up -s S` in the checkout, on the backend of your choice).

A project of its own, because `pulumi` writes salt and secrets into the stack's file, and because beside a
pyproject.toml its Python host runs `uv sync` before each program.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from components.checkout import ROOT
from components.engine import stack_keys
from components.settings import PROJECT, SECRET_KEYS, load_stack

_KEPT: Final = ("secretsprovider", "encryptedkey", "encryptionsalt")
"""What the engine adds to a stack's file."""


class WorkspaceError(Exception):
    """The private place cannot be used. `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Workspace:
    """The paths."""

    path: Path
    stack: str

    @property
    def backend(self) -> Path:
        """State of the stack: a file backend."""
        return self.path / "backend"

    @property
    def passphrase(self) -> Path:
        """Encrypts the secrets of that state."""
        return self.path / "passphrase"

    @property
    def fleet(self) -> Path:
        """The Flux repository, bare."""
        return self.path / "fleet.git"

    @property
    def keys(self) -> Path:
        """Key files of a stack that lives on this machine only."""
        return self.path / "keys"

    @property
    def stack_file(self) -> Path:
        """The stack's settings with what this machine adds."""
        return self.path / f"Pulumi.{self.stack}.yaml"

    def lost(self, url: str, revision: str) -> bool:
        """Whether the repository here was pushed to once, and then removed or emptied by hand."""
        if url != str(self.fleet):
            return False
        command = ["git", "-C", str(self.fleet), "cat-file", "-e", f"{revision}^{{commit}}"]
        return subprocess.run(command, capture_output=True, check=False).returncode != 0

    def closed(self) -> set[str]:
        """Keys of the secrets that the stack's file holds, encrypted."""
        config = _load(self.stack_file).get("config", {})
        return {key for key in SECRET_KEYS if f"{PROJECT}:{key}" in config}


def default_path(stack: str, env: Mapping[str, str] = os.environ) -> Path:
    """`$XDG_STATE_HOME/raibid/stack/<stack>`, else the same below ~/.local/state."""
    base = env.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "raibid" / "stack" / stack


def prepare(stack: str, path: Path | None = None, root: Path = ROOT) -> Workspace:
    """Make what is not there yet; take over the stack's settings as the checkout has them now.

    Raises:
        SettingsError: no such stack, or mistakes in it.
        WorkspaceError: the directory cannot be used, or Git is missing.
    """
    settings = load_stack(stack, root)
    workspace = Workspace(path or default_path(stack), stack)
    try:
        workspace.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        workspace.path.chmod(0o700)
        workspace.backend.mkdir(exist_ok=True)
        if not workspace.passphrase.exists():
            stack_keys.write_private(workspace.passphrase, secrets.token_hex(32))
        private: dict[str, Any] = {}
        if settings.cluster.kind == "embedded":
            private = _at_home(workspace, settings.fleet.url, settings.fleet.branch)
        _write_project(workspace, root)
        _write_stack_file(workspace, root, private)
    except OSError as error:
        raise WorkspaceError(f"{workspace.path}: {error.strerror}", "choose another with XDG_STATE_HOME") from error
    return workspace


def _at_home(workspace: Workspace, url: str, branch: str) -> dict[str, Any]:
    """Settings of a stack without a cluster: its Flux repository and its keys are here."""
    keys = stack_keys.kept_in(workspace.keys)
    fleet = {"url": url or str(workspace.fleet)}
    if not url and not (workspace.fleet / "HEAD").exists():
        _git("init", "--quiet", "--bare", f"--initial-branch={branch}", str(workspace.fleet))
    return {"fleet": fleet, "recipients": {"cluster": keys.cluster.public, "recovery": keys.recovery.public}}


def _git(*arguments: str) -> None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise WorkspaceError("git is not on PATH", "install it (Debian, Ubuntu: apt-get install git)") from error
    if done.returncode:
        raise WorkspaceError(f"git {arguments[0]}: {done.stderr.strip()}")


def _write_project(workspace: Workspace, root: Path) -> None:
    project = _load(root / "Pulumi.yaml")
    project["main"] = str(root)
    project["runtime"] = {"name": "python", "options": {"toolchain": "uv", "virtualenv": sys.prefix}}
    _dump(project, workspace.path / "Pulumi.yaml")
    # The host asks for a lock to know that it is uv; without a pyproject.toml it synchronises nothing.
    shutil.copyfile(root / "uv.lock", workspace.path / "uv.lock")


def _write_stack_file(workspace: Workspace, root: Path, private: Mapping[str, Any]) -> None:
    content = _load(root / f"Pulumi.{workspace.stack}.yaml")
    present = _load(workspace.stack_file) if workspace.stack_file.exists() else {}
    config = dict(content.get("config", {}))
    config |= {key: value for key, value in present.get("config", {}).items() if _is_secret(key)}
    for key, value in private.items():
        name = f"{PROJECT}:{key}"
        config[name] = {**config.get(name, {}), **value}
    content["config"] = config
    _dump({**content, **{key: present[key] for key in _KEPT if key in present}}, workspace.stack_file)


def _is_secret(key: str) -> bool:
    return key.removeprefix(f"{PROJECT}:") in SECRET_KEYS


def _load(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe").load(file)
    return content


def _dump(content: Mapping[str, Any], file: Path) -> None:
    draft = file.with_name(f"{file.name}.new")
    with draft.open("w", encoding="utf-8") as out:
        YAML(typ="safe").dump(dict(content), out)
    draft.replace(file)
