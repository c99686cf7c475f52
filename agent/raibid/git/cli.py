"""The git command line: without prompts, hooks or anybody's settings.

Owns: git's environment, credentials by helper and never in a URL or an argument, errors in one scrubbed line, when a
command is ended: too long, too large, or because we are ending.
Leaves to others: which URL may be asked, and with which settings; what is asked.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from raibid.forge.credentials import files_of
from raibid.git.errors import GitError, SourceGoneError, StoppedError
from raibid.git.rooms import Room

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
    # git shares a memory limit with who called it; by itself it takes a thread per core, each with its own window.
    "pack.threads": "1",
    "pack.windowMemory": "32m",
    "core.bigFileThreshold": "16m",
}
_GLANCE: Final = 0.1
"""Seconds between two looks whether a command should go on."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: what it printed, without credentials in what it says about itself."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of what it said."""
        return next(iter(self.err.strip().splitlines()[-1:]), f"exit code {self.code}")[:300]


@dataclass(frozen=True)
class Git:
    """git with these settings, beside its own quiet ones."""

    settings: Mapping[str, str] = field(default_factory=dict)
    credentials: Path | None = None
    """A file as git-credential-store has it, or a directory of such; they are only read."""
    token: Path | None = None
    """A file that holds a token and nothing else: for whoever is asked, so only with a guard's settings."""

    stop: threading.Event = field(default_factory=threading.Event)
    """Ends whatever runs."""

    def run(
        self, *arguments: str, at: Path | None = None, work: Path | None = None, lines: str = "",
        room: Room | None = None, seconds: float = _SECONDS,
    ) -> str:  # fmt: skip
        """What git prints. `at`: a bare repository; `work`: the directory of one that is checked out. `lines`: what it
        reads. `room`: ended when there is too much in it.

        Raises:
            GitError: it failed, is missing, or took longer than `seconds`. SourceGoneError: no such repository.
            TooLargeError: as `room` says. StoppedError: as `stop` says.
        """
        ended = self.attempt(*arguments, at=at, work=work, lines=lines, room=room, seconds=seconds)
        if ended.code:
            raise failure(arguments[0], ended)
        return ended.out

    def attempt(
        self, *arguments: str, at: Path | None = None, work: Path | None = None, lines: str = "",
        room: Room | None = None, seconds: float = _SECONDS,
    ) -> Ended:  # fmt: skip
        """As `run`, for whoever reads more in a failure than its last line: how it ended is an answer, not an error.

        Raises:
            GitError: git is missing, or took longer than `seconds`. TooLargeError, StoppedError: as `run`.
        """
        command = ["git", *(f"--git-dir={at}",) * bool(at), *("-C", str(work)) * bool(work), *arguments]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if lines else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=self._environment(),
                process_group=0,  # it has children, who do the work
            )
        except FileNotFoundError as error:
            raise GitError("git is not on PATH") from error
        except (OSError, ValueError) as error:  # more arguments than Linux takes, no more processes; a NUL in one
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise GitError(f"git {arguments[0]} could not be started: {why}") from error
        deadline = time.monotonic() + seconds
        out, err = self._wait(process, lines, lambda: self._may_go_on(arguments[0], room, deadline, seconds))
        ended = Ended(process.returncode, out, _SCRUB.sub("***@", err))
        if room and not ended.code:
            room.check()  # it may have been quicker than we looked
        return ended

    @staticmethod
    def _wait(process: subprocess.Popen[str], lines: str, may_go_on: Callable[[], None]) -> tuple[str, str]:
        told: str | None = lines or None
        try:
            while True:
                try:
                    return process.communicate(told, timeout=_GLANCE)
                except subprocess.TimeoutExpired:
                    told = None
                may_go_on()
        except BaseException:  # also Ctrl-C, which does not reach a group of its own
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # it works in a directory that is thrown away
            process.communicate()
            raise

    def _may_go_on(self, command: str, room: Room | None, deadline: float, seconds: float) -> None:
        if self.stop.is_set():
            raise StoppedError(f"git {command} was ended")
        if time.monotonic() > deadline:
            raise GitError(f"git {command} took longer than {seconds:g} s")
        if room:
            room.check()

    def _environment(self) -> dict[str, str]:
        settings = {**_QUIET, **self.settings}
        pairs = [*settings.items()]
        for file in files_of(self.credentials) if self.credentials else ():
            # `get` alone: git-credential-store would also erase the line that a forge refused once.
            store = shlex.join(["git", "credential-store", f"--file={file}", "get"])
            pairs.append(("credential.helper", f'!f() {{ test "$1" = get && {store}; }}; f'))
        if self.token:
            value = f'"$(tr -d "[:space:]" < {shlex.quote(str(self.token))})"'  # as `Tokens` reads it
            read = f'printf "username=x-access-token\\npassword=%s\\n" {value}'
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


def failure(command: str, ended: Ended) -> GitError:
    """The error that says how a command failed, in one line."""
    kind = SourceGoneError if _GONE.search(ended.last) else GitError
    return kind(f"git {command} failed: {ended.last}")
