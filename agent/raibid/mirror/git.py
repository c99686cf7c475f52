"""The git command line at sources and mirrors: bare, without prompts, hooks or anybody's settings.

Owns: git's environment, credentials by helper and never in a URL or an argument, errors in one scrubbed line.
Leaves to others: which URL may be asked (`guard.py` gives the settings), what is asked (`bundle.py`, `verify.py`).
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from raibid.forge.credentials import files_of
from raibid.mirror.errors import GitError, SourceGoneError

_PASSED: Final = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK")
_SCRUB: Final = re.compile(r"(?<=://)[^/\s@]+@")
_SECONDS: Final = 600.0
_GONE: Final = re.compile(
    r"not found|does not exist|does not appear to be a git|Authentication failed|could not read Username", re.IGNORECASE
)
_QUIET: Final = {
    "core.hooksPath": "/dev/null",
    "credential.helper": "",  # forget the system's helpers
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
    "gc.auto": "0",
}


@dataclass(frozen=True)
class Git:
    """git with these settings, beside its own quiet ones."""

    settings: Mapping[str, str] = field(default_factory=dict)
    credentials: Path | None = None
    """A file as git-credential-store has it, or a directory of such; they are only read."""
    token: Path | None = None
    """A file that holds a token and nothing else: for whoever is asked, so only with a guard's settings."""

    def run(self, *arguments: str, at: Path | None = None, seconds: float = _SECONDS) -> str:
        """What git prints.

        Raises:
            GitError: it failed, is missing, or took longer than `seconds`. SourceGoneError: no such repository.
        """
        command = ["git", *(f"--git-dir={at}",) * bool(at), *arguments]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=seconds,
                env=self._environment(),
            )
        except FileNotFoundError as error:
            raise GitError("git is not on PATH") from error
        except subprocess.TimeoutExpired as error:
            raise GitError(f"git {arguments[0]} took longer than {seconds:g} s") from error
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            kind = SourceGoneError if _GONE.search(said[-1]) else GitError
            raise kind(f"git {arguments[0]} failed: {_SCRUB.sub('***@', said[-1])[:300]}")
        return done.stdout

    def heads(self, url: str) -> dict[str, str]:
        """Branch → commit at a remote; nothing is fetched. Raises GitError."""
        lines = self.run("ls-remote", "--heads", "--", url).splitlines()
        found = (line.split("\t", 1) for line in lines if "\t" in line)
        return {ref.removeprefix("refs/heads/"): sha for sha, ref in found}

    def _environment(self) -> dict[str, str]:
        settings = {**_QUIET, **self.settings}
        pairs = [*settings.items()]
        for file in files_of(self.credentials) if self.credentials else ():
            # `get` alone: git-credential-store would also erase the line that a forge refused once.
            store = shlex.join(["git", "credential-store", f"--file={file}", "get"])
            pairs.append(("credential.helper", f'!f() {{ test "$1" = get && {store}; }}; f'))
        if self.token:
            read = f'printf "username=x-access-token\\npassword=%s\\n" "$(cat {shlex.quote(str(self.token))})"'
            pairs.append(("credential.helper", f'!f() {{ test "$1" = get && {read}; }}; f'))
        # As variables and not as `-c`: what is set is no one else's to read in the process list.
        numbered = {
            f"GIT_CONFIG_{kind}_{number}": text
            for number, pair in enumerate(pairs)
            for kind, text in zip(("KEY", "VALUE"), pair, strict=True)
        }
        return {
            **{name: os.environ[name] for name in _PASSED if name in os.environ},
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": str(len(pairs)),
            **numbered,
        }
