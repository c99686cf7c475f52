"""Somebody who works with Gitea: repositories, pushes with real git, forks, pull requests, what a commit's status says.

Owns: what a person does and sees.
Leaves to others: Gitea itself (`gitea_server.py`), the pool's own users (`components.gitea_setup`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from components.gitea_api import Api
from tests.cluster.errors import ClusterError
from tests.waiting import until

_ASKPASS: Final = """\
#!/bin/sh
case $1 in Username*) echo "$DEVELOPER" ;; *) echo "$PASSWORD" ;; esac
"""


class GitError(ClusterError):
    """git refused; the message is its stderr."""


@dataclass(frozen=True)
class Status:
    """What a commit's status says in one context."""

    context: str
    state: str
    description: str
    url: str


@dataclass(frozen=True)
class Developer:
    """A user of Gitea with a directory for its checkouts."""

    api: Api
    home: Path

    @property
    def name(self) -> str:
        """Its login."""
        return self.api.login.name

    def password_file(self) -> Path:
        """Its password, for somebody who wants to be this developer."""
        file = self.home / "password"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(self.api.login.password.get_secret_value())
        return file

    def create(self, repository: str) -> Checkout:
        """A new private repository of an organisation (or its own), and an empty checkout of it."""
        owner, _, name = repository.partition("/")
        path = "/user/repos" if owner == self.name else f"/orgs/{owner}/repos"
        self.api.call("POST", path, {"name": name, "private": owner != self.name, "default_branch": "main"})
        return self.checkout(repository)

    def checkout(self, repository: str) -> Checkout:
        """A checkout of a repository, cloned anew."""
        directory = self.home / repository.replace("/", "--")
        if directory.exists():
            shutil.rmtree(directory)
        checkout = Checkout(self, repository, directory)
        directory.parent.mkdir(parents=True, exist_ok=True)
        checkout.git("clone", "--quiet", f"{self.api.url}/{repository}.git", str(directory), at=directory.parent)
        return checkout

    def fork(self, repository: str) -> Checkout:
        """A fork of one's own."""
        made = self.api.call("POST", f"/repos/{repository}/forks", {})
        return self.checkout(made["full_name"])

    def pull_request(self, repository: str, head: str, title: str) -> int:
        """Open a pull request to main; its number."""
        # Gitea notes a first push a moment after git is done, and an empty repository takes no pull requests (404).
        until(lambda: not self.api.call("GET", f"/repos/{repository}")["empty"], f"{repository} has its first push")
        made = self.api.call("POST", f"/repos/{repository}/pulls", {"base": "main", "head": head, "title": title})
        return int(made["number"])

    def statuses(self, repository: str, sha: str) -> list[Status]:
        """The latest status of each context of a commit, as its page shows them."""
        said = self.api.call("GET", f"/repos/{repository}/commits/{sha}/status")
        return [
            Status(one["context"], one["status"], one["description"], one["target_url"])
            for one in (said["statuses"] or ())
        ]


@dataclass(frozen=True)
class Checkout:
    """A working copy."""

    owner: Developer
    repository: str
    directory: Path

    def commit(self, files: Mapping[str, str] | Path, message: str, *, branch: str = "main") -> str:
        """Commit these files (or a directory's) on a branch; the commit."""
        here = self.git("branch", "--show-current")
        if here != branch:
            self.git("checkout", "--quiet", "-B", branch)
        if isinstance(files, Path):
            ignored = shutil.ignore_patterns("__pycache__", "target")
            shutil.copytree(files, self.directory, ignore=ignored, dirs_exist_ok=True)
        else:
            for name, text in files.items():
                (self.directory / name).parent.mkdir(parents=True, exist_ok=True)
                (self.directory / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *branches: str) -> None:
        """Push branches (main if none is named)."""
        self.git("push", "--quiet", "--force", "origin", *(branches or ("main",)))

    def git(self, *arguments: str, at: Path | None = None) -> str:
        """Real git as this developer. Raises GitError."""
        name = self.owner.name
        askpass = self.owner.home / "askpass"
        if not askpass.exists():
            askpass.parent.mkdir(parents=True, exist_ok=True)
            askpass.write_text(_ASKPASS)
            askpass.chmod(0o700)
        identity: dict[str, Any] = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", name), ("EMAIL", f"{name}@example.com"))
        }
        password = self.owner.api.login.password.get_secret_value()
        # Neither this machine's own credentials nor its hooks, and no proxy on the way to a private address.
        done = subprocess.run(
            ["git", "-c", "credential.helper=", "-c", "core.hooksPath=/dev/null", "-c", "http.proxy=", *arguments],
            cwd=at or self.directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={
                **os.environ,
                **identity,
                "GIT_ASKPASS": str(askpass),
                "GIT_TERMINAL_PROMPT": "0",
                "GIT_CONFIG_GLOBAL": os.devnull,
                "DEVELOPER": name,
                "PASSWORD": password,
            },
        )
        if done.returncode:
            raise GitError(f"git {arguments[0]}: {done.stderr.strip()}")
        return done.stdout.strip()
