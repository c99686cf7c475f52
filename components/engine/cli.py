"""The Pulumi engine as a program: whether it is there, running it, its errors as sentences.

Owns: finding the CLI and the one plugin that a stack without a cluster needs, the environment that it runs in.
Leaves to others: which commands (`commands.up`, `commands.preview`, `commands.keys`), fetching the CLI
(`engine.pulumi_cli`).
Secrets go to it on stdin, never as arguments.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from components.engine.workspace import Workspace

_LINES: Final = 20
"""Of what a failed command said."""


class EngineError(Exception):
    """`pulumi` failed. `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Engine:
    """A `pulumi` to run in a workspace."""

    program: str
    workspace: Workspace
    env: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    remedy: str = ""
    """What the person may do when a command fails."""

    def has_stack(self) -> bool:
        """Whether the stack's state is there."""
        return any(self.workspace.backend.glob(f".pulumi/stacks/*/{self.workspace.stack}.json*"))

    def ensure_stack(self) -> None:
        """Make the stack's state if it is not there.

        Raises:
            EngineError: that failed.
        """
        if not self.has_stack():
            self.run("stack", "init", self.workspace.stack, "--no-select", "--non-interactive")

    def ensure_secret(self, key: str, value: str) -> None:
        """Put a secret into the stack's file if it has none of that name.

        Raises:
            EngineError: that failed.
        """
        if key not in self.workspace.closed():
            self.run(
                "config", "set", "--secret", key, "--stack", self.workspace.stack, "--non-interactive", stdin=value
            )

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run a command and wait; what it printed on stdout.

        Raises:
            EngineError: it failed; with the last lines of what it said.
        """
        done = self._start(arguments, stdin=stdin, capture=True)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise EngineError(f"pulumi {arguments[0]}: " + "\n".join(said[-_LINES:]), self.remedy)
        return done.stdout

    def show(self, *arguments: str) -> int:
        """Run a command whose output is for the person; its exit code."""
        return self._start(arguments, stdin="", capture=False).returncode

    def _start(self, arguments: Sequence[str], *, stdin: str, capture: bool) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments],
            cwd=self.workspace.path,
            env=environment(self.workspace, self.env),
            input=stdin,
            capture_output=capture,
            text=True,
            check=False,
        )


def cli(env: Mapping[str, str] = os.environ) -> str | None:
    """Path of `pulumi`."""
    return shutil.which("pulumi", path=env.get("PATH"))


def find(env: Mapping[str, str] = os.environ) -> str | None:
    """Path of `pulumi`, when it can run a stack without a cluster: its command plugin must be there too."""
    return cli(env) if has_plugin("command", env) else None


def has_plugin(name: str, env: Mapping[str, str] = os.environ) -> bool:
    """Whether a resource plugin is on PATH or installed; asked without starting the CLI, which takes 0.3 s."""
    if shutil.which(f"pulumi-resource-{name}", path=env.get("PATH")):
        return True
    home = Path(env.get("PULUMI_HOME") or Path.home() / ".pulumi")
    return any(home.glob(f"plugins/resource-{name}-v*/pulumi-resource-{name}*"))


def environment(workspace: Workspace, env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What `pulumi` needs to know; nothing in it is secret, the passphrase is named by its file."""
    # `uv run` tells its own path, which a private uv has not got on PATH: the Python host asks for `uv` there.
    uv = [str(Path(env["UV"]).parent)] if "UV" in env else []
    inherited = {key: value for key, value in env.items() if key != "PULUMI_CONFIG_PASSPHRASE"}
    return {
        **inherited,
        "PATH": os.pathsep.join([*uv, env.get("PATH", os.defpath)]),
        "PULUMI_BACKEND_URL": workspace.backend.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(workspace.passphrase),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        # The lock names plugins that a stack without a cluster does not need: each run would try to fetch them.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
