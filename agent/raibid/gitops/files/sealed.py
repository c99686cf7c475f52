"""Files that SOPS encrypts: one value changed by the `sops` command, without the file ever being in clear.

Owns: the command, its private directory, what its failures mean.
Leaves to others: keys (the operator's SOPS_AGE_KEY_FILE), which value.

`sops set` needs the key, for it seals the file's checksum again: also when the value itself is not encrypted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from raibid.gitops.errors import SealedError
from raibid.gitops.files.nodes import parse
from raibid.gitops.files.writing import Manner

_SECONDS: Final = 60.0
_PASSED: Final = (
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "SOPS_AGE_KEY_FILE",
    "SOPS_AGE_KEY",
    "SOPS_AGE_KEY_CMD",
    "GNUPGHOME",
)
_NO_KEY: Final = ("data key", "identit", "no key", "failed to load age")


def with_value(text: str, steps: Sequence[str | int], value: Any, file: str) -> str:
    """An encrypted file's text with another value at a place; the same text if it has that value.

    Raises:
        SealedError: sops is not there, no key opens the file, or it cannot be edited so.
    """
    nodes = parse(text)
    if len(nodes) != 1:
        raise SealedError(f"{file} is encrypted and holds {len(nodes)} documents; sops edits files of one")
    sops = shutil.which("sops")
    if sops is None:
        raise SealedError(f"{file} is encrypted, and there is no `sops` on PATH", "install sops 3.9 or later")
    index = "".join(f"[{json.dumps(step)}]" for step in steps)
    # A directory that nobody else may look into; the value goes to sops by its standard input only.
    with tempfile.TemporaryDirectory(prefix="raibid-sops-") as room:
        config, copy = Path(room, "sops.yaml"), Path(room, PurePosixPath(file).name)
        indent = Manner.of(text, nodes[0]).indent
        config.write_text(f"stores: {{yaml: {{indent: {indent}}}, json: {{indent: {indent}}}}}\n")
        copy.write_bytes(text.encode())
        command = [sops, "--config", str(config), "set", "--value-stdin", "--idempotent", str(copy), index]
        _run(command, json.dumps(value), file, Path(room))
        return copy.read_bytes().decode()


def _run(command: list[str], value: str, file: str, room: Path) -> None:
    environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
    try:
        done = subprocess.run(
            command,
            input=value,
            text=True,
            capture_output=True,
            timeout=_SECONDS,
            env=environment,
            cwd=room,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SealedError(f"{file}: sops does not run: {type(error).__name__}") from None
    if done.returncode == 0:
        return
    said = done.stderr.lower()
    if any(sign in said for sign in _NO_KEY):
        raise SealedError(
            f"{file} is encrypted, and no key at hand opens it",
            "SOPS_AGE_KEY_FILE names a file with the age key of one of its recipients",
        )
    # sops' own words may quote what it was given: only its code is told.
    raise SealedError(f"{file}: sops ended with {done.returncode}", "`sops decrypt` of the file tells more")
