"""A checkout whose history a test makes up: any bytes, modes and merges, in one run of `git fast-import`.

Owns: commits as data, the checkout on the newest one.
Leaves to others: fetching and pushing (`git_host.py`).
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.fence import ATTRIBUTES, fenced, git_for
from raibid.gitops.settings import GitopsSettings

Content = tuple[str, bytes] | None
"""Mode and bytes; None: deleted."""


def text(content: str, mode: str = "100644") -> Content:
    return mode, content.encode()


@dataclass(frozen=True)
class Change:
    """One commit."""

    files: Mapping[str, Content]
    message: str = "change"
    seconds: int = 60
    """After the one before."""
    merged: bool = False
    """Made on a branch of its own, and merged."""


@dataclass
class History:
    """Commits so far, the oldest first; merges count, what they merged does not."""

    at: Path
    commits: list[str] = field(default_factory=list)

    def checkout(self) -> Checkout:
        runner = fenced(git_for(GitopsSettings(), None))
        return Checkout("https://gitea.dgx.local/raibid/fleet.git", "main", self.at, runner, self.commits[-1], False)


BEGINNING = 1_790_000_000
"""Seconds of the first commit."""


def made(at: Path, changes: Sequence[Change]) -> History:
    """A repository with these commits, the last one checked out."""
    at.mkdir(parents=True)
    history, stream, marks, last, now = History(at), bytearray(), [], 0, BEGINNING
    for number, change in enumerate(changes, start=1):
        now += change.seconds
        mark = 2 * number
        side = change.merged and last
        stream += _commit("refs/heads/side" if side else "refs/heads/main", mark, change, now, last)
        if side:
            stream += _commit("refs/heads/main", mark + 1, Change(change.files, "Merge"), now, last, mark)
        last = mark + 1 if side else mark
        marks.append(last)
    _git(at, "init", "--quiet", "--initial-branch=main")
    (at / ".git" / "info").mkdir(exist_ok=True)
    (at / ".git" / "info" / "attributes").write_text(ATTRIBUTES)
    _git(at, "fast-import", "--quiet", "--export-marks=.git/marks", given=bytes(stream))
    known = dict(line.split() for line in (at / ".git" / "marks").read_text().splitlines())
    history.commits = [known[f":{mark}"] for mark in marks]
    _git(at, "-c", "core.symlinks=false", "reset", "--quiet", "--hard", history.commits[-1])
    _git(at, "update-ref", "refs/remotes/origin/main", history.commits[-1])
    return history


def _commit(ref: str, mark: int, change: Change, now: int, parent: int, merged: int = 0) -> bytes:
    message = change.message.encode()
    head = f"commit {ref}\nmark :{mark}\ncommitter Dev <dev@example.org> {now} +0000\ndata {len(message)}\n".encode()
    lines = head + message + b"\n"
    lines += f"from :{parent}\n".encode() * bool(parent) + f"merge :{merged}\n".encode() * bool(merged)
    for path, content in change.files.items():
        if content is None:
            lines += f"D {path}\n".encode()
        else:
            mode, data = content
            lines += f"M {mode} inline {path}\ndata {len(data)}\n".encode() + data + b"\n"
    return lines


def _git(at: Path, *arguments: str, given: bytes = b"") -> None:
    subprocess.run(["git", "-C", str(at), *arguments], input=given, check=True, capture_output=True)
