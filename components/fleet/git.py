"""Git as the push needs it: one remote, one branch, commits made without a working tree.

Owns: running git, where its password comes from, what its complaints mean.
Leaves to others: what is committed (`fleet.plan`), when it is tried again (`fleet.push`).

There is no checkout: objects are read and written directly. So no link of the repository is ever followed, no filter
or hook of it runs, and an interrupted push leaves nothing but a scratch directory, which is removed.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from components.fleet.errors import CredentialsError, FleetError, GitError, UnreachableError

_TIMEOUT_SECONDS: Final = 300
# git asks "Username for 'https://…': ", then "Password for 'https://user@…': "; the answers lie in private files
# beside the script, because arguments and environment of a process can be read by others.
_ASKPASS: Final = """\
#!/bin/sh
case "$1" in
Username*) exec cat "${0%/*}/username" ;;
*) exec cat "${0%/*}/password" ;;
esac
"""
# What push says when somebody else pushed first: before it sent anything, or while it did. Some of it is also said for
# other reasons (a full disk, say), so whoever gives up quotes it.
_MOVED: Final = re.compile(
    rb"\[rejected\] \((fetch first|non-fast-forward|already exists)\)"
    rb"|cannot lock ref|failed to update ref|incorrect old value provided|reference already exists"
)
_COMPLAINTS: Final[Sequence[tuple[str, type[FleetError], str]]] = (
    (
        r"Authentication failed|could not read (Username|Password)|terminal prompts disabled|returned error: 40[13]"
        r"|Permission denied|HTTP Basic: Access denied",
        CredentialsError,
        "check user and password: pulumi config set --secret gitPassword; for ssh, the key that your agent offers",
    ),
    (
        r"Host key verification failed",
        UnreachableError,
        "the host shows another key than known_hosts has: find out why before you replace it (ssh-keygen -R HOST)",
    ),
    (
        r"does not appear to be a git repository|[Rr]epository .*not found|returned error: 404|does not exist",
        UnreachableError,
        "create the repository first (git init --bare DIRECTORY, or in Gitea), or correct fleet.url",
    ),
    (
        r"Could ?n[o']t (resolve|connect)|Failed to connect|Connection (refused|timed out|reset)|Operation t(oo|imed)"
        r"|unable to access|Could not read from remote|early EOF|hung up",
        UnreachableError,
        "is the host up, and fleet.url right? The repository was not touched: run it again when the host answers",
    ),
    (
        r"currently checked out",
        GitError,
        "fleet.url is somebody's checkout: give a bare repository instead (git init --bare DIRECTORY)",
    ),
    (r"dubious ownership", GitError, "the repository belongs to another user: run as that user"),
)


class Remote:
    """One remote repository, seen from a scratch repository of our own."""

    refusal: str = ""
    """What git said of the last push that came too late."""

    def __init__(self, scratch: Path, url: str, username: str, password: str) -> None:
        self._url = url
        self._hidden = [secret for secret in (password, quote(password, safe="")) if secret]
        self._repository = scratch / "repository.git"
        self._specs: list[str] = []
        self._commits = 0
        self._environment = _environment(scratch, username, password)
        self._run("init", "--quiet", "--bare", str(self._repository), bare=False)

    def fetch(self, *refs: str) -> dict[str, str]:
        """Bring the tips of these refs here, without their history: ref → commit, of those that there are."""
        listed = self._run("ls-remote", "--quiet", self._url, *refs).decode().split()[1::2]
        found = [ref for ref in refs if ref in listed]
        if not found:
            return {}
        self._specs = [f"+{ref}:{ref}" for ref in found]
        self._run("fetch", "--quiet", "--no-tags", "--depth=1", self._url, *self._specs)
        return {ref: self._run("rev-parse", "--verify", ref).decode().strip() for ref in found}

    def descends(self, commit: str, ancestor: str) -> bool:
        """Whether `ancestor` is in the history of `commit`; that history is fetched only for this question."""
        if commit == ancestor:
            return True
        if (self._repository / "shallow").exists():
            self._run("fetch", "--quiet", "--no-tags", "--unshallow", self._url, *self._specs)
        answer = self._git("merge-base", "--is-ancestor", ancestor, commit)
        if answer.returncode not in (0, 1):
            raise self._error(answer)
        return answer.returncode == 0

    def tree(self, commit: str) -> dict[str, tuple[str, str]]:
        """Path → mode and object id, of everything in a commit."""
        entries = {}
        for line in self._run("ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0")[:-1]:
            meta, _, path = line.partition(b"\t")
            mode, _, object_id = meta.decode().split(" ")
            entries[path.decode(errors="surrogateescape")] = (mode, object_id)
        return entries

    def read(self, object_ids: Iterable[str]) -> list[bytes]:
        """The bytes of these files."""
        stream = self._run("cat-file", "--batch", input_="".join(f"{name}\n" for name in object_ids).encode())
        contents, at = [], 0
        while at < len(stream):
            start = stream.index(b"\n", at) + 1
            size = int(stream[at:start].split()[2])
            contents.append(stream[start : start + size])
            at = start + size + 1
        return contents

    def commit(
        self, parent: str | None, writes: Mapping[str, bytes], deletes: Iterable[str], message: str, now: datetime
    ) -> str:
        """A commit of these changes on top of `parent`, here only; its id."""
        self._commits += 1
        ref, text = f"refs/emission/{self._commits}", message.encode()
        parts = [
            f"commit {ref}\n".encode(),
            f"committer raibid-ci <raibid-ci@localhost> {int(now.timestamp())} +0000\n".encode(),
            b"data %d\n%b\n" % (len(text), text),
            *([f"from {parent}\n".encode()] if parent else []),
            *(f"D {path}\n".encode() for path in deletes),
            *(b"M 100644 inline %b\ndata %d\n%b\n" % (p.encode(), len(data), data) for p, data in writes.items()),
            b"done\n",
        ]
        self._run("fast-import", "--quiet", "--done", input_=b"".join(parts))
        return self._run("rev-parse", "--verify", ref).decode().strip()

    def push(self, *updates: str) -> bool:
        """Update refs of the remote, all or none; False when somebody else was faster. Never by force.

        Raises:
            FleetError: the remote does not take it.
        """
        answer = self._git("push", "--porcelain", "--atomic", self._url, *updates)
        if answer.returncode == 0:
            return True
        if _MOVED.search(answer.stdout + answer.stderr):
            self.refusal = _gist(self._said(answer))
            return False
        raise self._error(answer)

    def _run(self, *arguments: str, input_: bytes = b"", bare: bool = True) -> bytes:
        answer = self._git(*arguments, input_=input_, bare=bare)
        if answer.returncode != 0:
            raise self._error(answer)
        return answer.stdout

    def _git(self, *arguments: str, input_: bytes = b"", bare: bool = True) -> subprocess.CompletedProcess[bytes]:
        command = ["git", *_OPTIONS, *(["--git-dir", str(self._repository)] if bare else []), *arguments]
        try:
            return subprocess.run(
                command, input=input_, capture_output=True, env=self._environment, timeout=_TIMEOUT_SECONDS, check=False
            )
        except FileNotFoundError:
            raise GitError("git is not on PATH", "install it: apt-get install git") from None
        except subprocess.TimeoutExpired:
            raise UnreachableError(
                f"{self._url}: no end after {_TIMEOUT_SECONDS} seconds", "is the host overloaded? Run it again later"
            ) from None

    def _said(self, answer: subprocess.CompletedProcess[bytes]) -> str:
        said = (answer.stderr + answer.stdout).decode(errors="replace")
        for secret in self._hidden:
            said = said.replace(secret, "***")
        return said

    def _error(self, answer: subprocess.CompletedProcess[bytes]) -> FleetError:
        said = self._said(answer)
        for pattern, kind, hint in _COMPLAINTS:
            if re.search(pattern, said):
                return kind(f"{self._url}: {_gist(said)}", hint)
        return GitError(f"{self._url}: {_gist(said)}", "the remote refused; its own words are above")


_OPTIONS: Final = (
    *("-c", "credential.helper="),  # nobody's stored passwords: they might be another user's
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "http.followRedirects=false"),  # the password is for this host only
    *("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=30"),
    *("-c", "gc.auto=0"),
    *("-c", "commit.gpgSign=false"),
)


def _environment(scratch: Path, username: str, password: str) -> dict[str, str]:
    """Our environment without anybody's GIT_… (traces print headers), and with a way to the password."""
    passed = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(("GIT_SSL_", "GIT_SSH"))
    }
    script = scratch / "askpass"
    files = (("username", username or "git", 0o600), ("password", password, 0o600), ("askpass", _ASKPASS, 0o700))
    for name, text, mode in files:
        descriptor = os.open(scratch / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
    ssh = {} if "GIT_SSH_COMMAND" in passed else {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=15"}
    return {
        **passed,
        **ssh,
        "GIT_ASKPASS": str(script),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file:http:https:ssh",  # never ext::, which runs commands
        "LC_ALL": "C",
    }


def _gist(said: str) -> str:
    """The telling lines of what git said."""
    lines = [
        line.strip() for line in said.splitlines() if line.strip() and not line.startswith(("To ", "Done", "hint:"))
    ]
    return "; ".join(lines[:4]) or "git failed without a word"
