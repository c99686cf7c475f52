"""`components keys`: the keys of a real stack, made once and kept where each belongs.

Owns: what is missing, asking the person's own `pulumi` to store it, the recovery key's file.
Leaves to others: the keys themselves (`engine.stack_keys`), decrypting and encrypting (the engine), stacks of this
machine only (`up` makes their keys).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.checkout import ROOT
from components.commands.terminal import PLAIN, CommandError, Output, line
from components.engine import stack_keys
from components.engine.pulumi_cli import cached
from components.settings import PROJECT, load_stack


def keys(*, stack: str, recovery: Path | None = None, output: Output = PLAIN) -> int:
    """Create the keys of a stack that are not there yet; never replaces one.

    The seed and the cluster's age key become secrets of the stack's config, both age recipients plain config. The
    recovery key goes to a file that only you may read: store it away, it opens the repository when the cluster is lost.

    For example:
      python -m components keys --stack dgx-spark
      python -m components keys --stack dgx-spark --recovery /media/safe/dgx-spark.agekey

    Parameters
    ----------
    stack
        Which stack; it exists already (`pulumi stack init`).
    recovery
        File of the recovery key; $XDG_STATE_HOME/raibid/keys/<stack>-recovery.agekey if not given.
    """
    load_stack(stack)
    program = shutil.which("pulumi") or cached()
    if program is None:
        raise CommandError(
            "there is no pulumi here, and it alone can encrypt a secret of the stack's config",
            "install the Pulumi CLI, or let `make preview` fetch a private one, then again",
        )
    file = recovery or _state() / f"{stack}-recovery.agekey"
    if file.resolve().is_relative_to(ROOT):
        raise CommandError(f"{file} is inside the repository", "choose a place that is never committed", 2)
    made = _create(StackConfig(program, stack), file)
    if output.json:
        output.emit({"stack": stack, "made": made, "recovery": str(file) if file.exists() else None})
        return 0
    for name in made:
        line(f"made: {name}")
    if not made:
        line(f"stack {stack} has all its keys")
    if "recovery key" in made:
        line(f"  {file}: move it to a safe place now, away from this machine and from the cluster", "yellow")
    return 0


@dataclass(frozen=True)
class StackConfig:
    """The stack's config through the person's own `pulumi`: their backend, their secrets provider."""

    program: str
    stack: str

    def present(self) -> dict[str, Any]:
        """Key → {"value": …} or {"secret": true}, without this project's namespace.

        Raises:
            CommandError: the stack cannot be read.
        """
        told: dict[str, Any] = json.loads(self._run("config", "--json"))
        # What is not set is listed too, with its default from Pulumi.yaml: an empty text.
        return {key.removeprefix(f"{PROJECT}:"): entry for key, entry in told.items() if entry.get("value") != ""}

    def secret(self, key: str) -> str:
        """A secret's value."""
        return self._run("config", "get", key).strip()

    def set_secret(self, key: str, value: str) -> None:
        """Store a secret; its value goes over stdin."""
        self._run("config", "set", "--secret", key, stdin=value)

    def set_plain(self, path: str, value: str) -> None:
        """Store a value inside an object."""
        self._run("config", "set", "--path", path, value)

    def _run(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [self.program, *arguments, "--stack", self.stack, "--non-interactive", "--cwd", str(ROOT)],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CommandError(
                f"pulumi {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}",
                f"the stack must exist and open: pulumi stack init {self.stack}",
            )
        return done.stdout


def _create(config: StackConfig, file: Path) -> list[str]:
    present = config.present()
    recipients = json.loads(present.get("recipients", {}).get("value") or "{}")
    made = []
    if "seed" not in present:
        config.set_secret("seed", stack_keys.new_seed())
        made.append("seed")
    if "ageKey" not in present:
        if recipients.get("cluster"):
            raise CommandError(
                "recipients.cluster is set, but the stack has not got its private key",
                "restore it (pulumi config set --secret ageKey), or drop the recipient (pulumi config rm --path "
                f"{PROJECT}:recipients.cluster) to make a new pair",
            )
        cluster = stack_keys.new_identity()
        config.set_secret("ageKey", cluster.private)
        made.append("cluster key")
    elif not recipients.get("cluster"):
        cluster = stack_keys.identity_of(config.secret("ageKey"))
    else:
        cluster = None
    if cluster:
        config.set_plain(f"{PROJECT}:recipients.cluster", cluster.public)
    if not recipients.get("recovery"):
        config.set_plain(f"{PROJECT}:recipients.recovery", _recovery(file, made).public)
    return made


def _recovery(file: Path, made: list[str]) -> stack_keys.Identity:
    """The recovery key: from its file when an earlier run was interrupted, else new."""
    try:
        if file.exists():
            return stack_keys.identity_of(file.read_text(encoding="utf-8"))
        identity = stack_keys.new_identity()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        stack_keys.write_private(file, identity.private)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", "choose another file with --recovery") from error
    made.append("recovery key")
    return identity


def _state() -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "raibid" / "keys"
