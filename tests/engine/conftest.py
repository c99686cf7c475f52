"""A stack of its own per test, on the real engine: private state, private PULUMI_HOME, a checkout to edit."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.checkout import ROOT
from components.engine import cli as engine
from components.engine import stack_keys
from components.engine.workspace import Workspace, prepare

PATIENCE = 240
"""Seconds for one command of the engine, which takes some: longer means that it hangs."""


@dataclass(frozen=True)
class Stack:
    """A checkout whose settings a test may edit, and the stack that it is deployed to."""

    root: Path
    workspace: Workspace
    pulumi: engine.Engine

    @property
    def settings(self) -> Path:
        """The stack's file in the checkout."""
        return self.root / f"Pulumi.{self.workspace.stack}.yaml"

    def refresh(self) -> None:
        """Take over the settings of the checkout as they are now."""
        prepare(self.workspace.stack, self.workspace.path, self.root)

    def up(self, *more: str) -> str:
        """`pulumi up` with the settings as they are now."""
        self.refresh()
        return self.run("up", "--yes", "--skip-preview", *more)

    def run(self, command: str, *more: str) -> str:
        """A command on this stack that succeeds; all that it said, logs too."""
        done = self._finished(command, *more)
        assert done.returncode == 0, done.stdout[-5000:]
        return done.stdout

    def refused(self, command: str, *more: str) -> str:
        """A command on this stack that fails; all that it said."""
        done = self._finished(command, *more)
        assert done.returncode != 0, done.stdout[-5000:]
        return done.stdout

    def _finished(self, command: str, *more: str) -> subprocess.CompletedProcess[str]:
        plain = ["--stack", self.workspace.stack, "--non-interactive", "--color", "never"]
        return subprocess.run(
            [self.pulumi.program, command, *plain, *more],
            cwd=self.workspace.path,
            env=engine.environment(self.workspace, self.pulumi.env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def git(self, *arguments: str) -> str:
        """What git says of the Flux repository."""
        command = ["git", "-C", str(self.workspace.fleet), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="session")
def program() -> str:
    """The engine's program."""
    found = engine.find()
    if found is None or not shutil.which("pulumi-language-python") or not shutil.which("uv"):
        pytest.skip("needs pulumi, its Python host, pulumi-resource-command and uv on PATH")
    return found


def make_stack(program: str, base: Path, name: str = "local") -> Stack:
    """A stack that has its state and its keys."""
    root = base / "checkout"
    root.mkdir()
    for shared in ("__main__.py", "components", "policies", "agent", "uv.lock", "pyproject.toml"):
        (root / shared).symlink_to(ROOT / shared)
    for own in ("Pulumi.yaml", f"Pulumi.{name}.yaml"):
        shutil.copyfile(ROOT / own, root / own)
    # Where `components up` looks when XDG_STATE_HOME is `base`.
    workspace = prepare(name, base / "raibid" / "stack" / name, root)
    env = {**os.environ, "PULUMI_HOME": str(base / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    pulumi = engine.Engine(program, workspace, env)
    pulumi.ensure_stack()
    if workspace.keys.exists():
        keys = stack_keys.kept_in(workspace.keys)
        pulumi.ensure_secret("seed", keys.seed)
        pulumi.ensure_secret("ageKey", keys.cluster.private)
    return Stack(root, workspace, pulumi)


@pytest.fixture
def local(program: str, tmp_path: Path) -> Stack:
    """The stack `local`, not deployed yet."""
    return make_stack(program, tmp_path)


@dataclass(frozen=True)
class Witnessed:
    """A deployed stack, and what the machine could see of its making."""

    stack: Stack
    told: str
    arguments: frozenset[bytes]
    """Command lines of all processes that ran meanwhile."""


@pytest.fixture(scope="module")
def witnessed(program: str, tmp_path_factory: pytest.TempPathFactory) -> Witnessed:
    """The stack `local`, from nothing to deployed, under observation."""
    seen: set[bytes] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.002):  # a breath: two cores have an engine to run
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):  # it has ended meanwhile
                    seen.add(file.read_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        stack = make_stack(program, tmp_path_factory.mktemp("deployed"))
        told = stack.up("--logtostderr", "-v=3")
    finally:
        ended.set()
        watcher.join()
    return Witnessed(stack, told, frozenset(seen))


@pytest.fixture
def deployed(witnessed: Witnessed) -> Stack:
    """The stack `local`, deployed; shared by tests that leave it as it was."""
    return witnessed.stack
