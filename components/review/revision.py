"""A revision of this repository, rendered by its own code.

Owns: checking a revision out beside the work tree, running its `render` and `budget`, saying what it has not got.
Leaves to others: comparing two of them (`review.tree_diff`).
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from components.rendering import MARKER
from components.review.tree_diff import Rendering

EMPTY: Final = Rendering({}, {})


class RevisionError(Exception):
    """A revision cannot be read or rendered. `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class UnknownRevisionError(RevisionError):
    """Git knows no such revision: wrong use."""

    code = 2


@contextmanager
def checkout(root: Path, reference: str) -> Iterator[Path]:
    """The files of a revision in a scratch directory: no worktree is registered, nothing of `root` is touched.

    Raises:
        UnknownRevisionError: there is no such revision.
        RevisionError: git cannot read it.
    """
    with tempfile.TemporaryDirectory(prefix="raibid-revision-") as scratch:
        # --end-of-options: a branch may begin with a dash, an option must not come in by that door.
        asked = [
            "git",
            "-C",
            str(root),
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            f"{reference}^{{commit}}",
        ]
        commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        if not commit:
            raise UnknownRevisionError(
                f"{reference}: no such revision here", "git fetch it first (a shallow clone has few)"
            )
        archive = subprocess.run(["git", "-C", str(root), "archive", commit], capture_output=True, check=False)
        if archive.returncode:
            raise RevisionError(f"{reference}: git archive: {archive.stderr.decode().strip()}", "git fsck")
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(scratch, filter="data")
        yield Path(scratch)


def knows(root: Path, stack: str) -> bool:
    """Whether that revision has the program and the stack."""
    return (root / "components" / "__main__.py").is_file() and (root / f"Pulumi.{stack}.yaml").is_file()


def render(root: Path, stack: str) -> Rendering:
    """The stack as the code in `root` renders it; secrets are not among the files.

    Raises:
        RevisionError: its code fails; the message holds its own words.
    """
    with tempfile.TemporaryDirectory(prefix="raibid-render-") as scratch:
        tree = Path(scratch) / "tree"
        _run(root, "render", "--stack", stack, "--out", str(tree), "--json")
        files = {
            file.relative_to(tree).as_posix(): file.read_text(encoding="utf-8")
            for file in sorted(tree.rglob("*"))
            if file.is_file() and file.name != MARKER
        }
    return Rendering(files, json.loads(_run(root, "budget", "--stack", stack, "--json")))


def lint(root: Path, stack: str) -> list[dict[str, Any]]:
    """What the policies say of the stack's tree as rendered by `root`.

    Raises:
        RevisionError: it cannot be rendered or checked.
    """
    with tempfile.TemporaryDirectory(prefix="raibid-render-") as scratch:
        tree = str(Path(scratch) / "tree")
        _run(root, "render", "--stack", stack, "--out", tree, "--json")
        found: list[dict[str, Any]] = json.loads(_run(root, "lint", tree, "--json", failing=(1,)))["findings"]
        return found


def _run(root: Path, *arguments: str, failing: tuple[int, ...] = ()) -> str:
    """A command of that checkout's own `components` and its own `raibid`, whatever is installed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "agent")]), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "components", *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and (done.returncode not in failing or not done.stdout):
        said = done.stderr.strip().removeprefix("components: ")
        hint = "" if "\n  next: " in said else f"run `python -m components {arguments[0]}` there"
        raise RevisionError(f"`components {arguments[0]}`: {said}", hint)
    return done.stdout
