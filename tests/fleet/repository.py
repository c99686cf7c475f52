"""A real bare repository, seen as its owner sees it, and a developer who commits to it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

WHO = {
    "GIT_AUTHOR_NAME": "Dev",
    "GIT_AUTHOR_EMAIL": "dev@example.org",
    "GIT_COMMITTER_NAME": "Dev",
    "GIT_COMMITTER_EMAIL": "dev@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


class Repository:
    """What is in a repository, by path; commits of somebody else."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._desk = directory.parent / f"{directory.name}-desk"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(directory)], check=True)

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.directory,
            env={**os.environ, **WHO},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    @property
    def head(self) -> str:
        return self.git("rev-parse", "main")

    @property
    def refs(self) -> str:
        """All refs: equal before and after means that nothing was pushed."""
        return self.git("for-each-ref")

    @property
    def files(self) -> dict[str, bytes]:
        return {path: self.read(path) for path in self.git("ls-tree", "-r", "--name-only", "main").splitlines()}

    def read(self, path: str) -> bytes:
        return subprocess.run(
            ["git", "show", f"main:{path}"], cwd=self.directory, check=True, capture_output=True
        ).stdout

    def every_byte(self) -> bytes:
        """All objects of all history, as they were before Git packed them."""
        return subprocess.run(
            ["git", "cat-file", "--batch-all-objects", "--batch"], cwd=self.directory, check=True, capture_output=True
        ).stdout

    def record(self, environment: str = "local") -> dict[str, str]:
        files: dict[str, str] = json.loads(self.read(f"clusters/{environment}/emitted.json"))["files"]
        return files

    def desk(self) -> Path:
        """The developer's checkout, up to date."""
        if not self._desk.exists():
            self.git("clone", "-q", str(self.directory), str(self._desk), cwd=self.directory.parent)
        self.git("checkout", "-q", "-B", "main", cwd=self._desk)
        if self.git("branch", "--list", "main"):
            self.git("fetch", "-q", "origin", cwd=self._desk)
            self.git("reset", "-q", "--hard", "origin/main", cwd=self._desk)
        return self._desk

    def commit(self, files: dict[str, str | None]) -> str:
        """The developer writes (or, with None, deletes) files, commits and pushes."""
        desk = self.desk()
        for path, text in files.items():
            (desk / path).parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                (desk / path).unlink()
            else:
                (desk / path).write_text(text)
        return self.publish("by hand")

    def publish(self, message: str, *options: str) -> str:
        """Commit and push whatever lies on the developer's desk."""
        self.git("add", "--all", cwd=self._desk)
        self.git("commit", "-q", "-m", message, cwd=self._desk)
        self.git("push", "-q", *options, "origin", "main", cwd=self._desk)
        return self.head


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
