"""Repositories the pool serves: bare, each with the post-receive hook that a forge would be.

Owns: making them from a sample, a path or a URL; commits to push; the push itself and the job id it brings.
Leaves to others: the delivery (`post_receive.py`), the build.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from raibid.local.errors import RepositoryError
from raibid.local.git import git, run_git
from raibid.local.state import StateDir

SAMPLES: Final = Path(__file__).parent / "samples"
JOB_LINE: Final = re.compile(r"raibid: job ([0-9a-z]{16})")
"""What the hook prints for a push that became a job; git shows it to the pusher after `remote: `."""
_HOOK: Final = """\
#!/bin/sh
# Written by `raibid up`. Tells the pool's API of each push, as Gitea would: signed, in Gitea's format.
exec {python} -m raibid.local.post_receive {state}
"""
_AUTHOR: Final = {
    "GIT_AUTHOR_NAME": "raibid up",
    "GIT_AUTHOR_EMAIL": "raibid@localhost",
    "GIT_COMMITTER_NAME": "raibid up",
    "GIT_COMMITTER_EMAIL": "raibid@localhost",
}


@dataclass(frozen=True)
class Served:
    """A bare repository of the pool and the checkout one pushes to it from."""

    name: str  #: owner/name
    bare: Path
    checkout: Path
    branch: str

    @property
    def clone_url(self) -> str:
        """What the agent clones."""
        return self.bare.as_uri()


@dataclass(frozen=True)
class Pushed:
    """What came of a push: the commit, and the job the hook said it became ("" if it said none)."""

    sha: str
    new: bool  #: false: the repository had it already, and no hook ran
    job_id: str
    said: str  #: what the hook printed


def serve_sample(state: StateDir, sample: str) -> Served:
    """A sample's bare repository and checkout, with a commit that was not pushed yet."""
    checkout, fresh = state.checkouts / sample, not (state.checkouts / sample / ".git").exists()
    served = Served(f"sample/{sample}", _bare(state, f"sample/{sample}"), checkout, "main")
    if fresh:
        # A folder that is half a copy comes from an interrupted start.
        shutil.rmtree(checkout, ignore_errors=True)
        shutil.copytree(SAMPLES / sample, checkout, ignore=shutil.ignore_patterns("__pycache__", "target"))
        git("init", "--quiet", "--initial-branch=main", at=checkout)
        git("remote", "add", "origin", str(served.bare), at=checkout)
        git("add", "--all", at=checkout)
    message = f"The sample {sample} repository" if fresh else "Build once more"
    git("commit", "--quiet", "--no-gpg-sign", "--allow-empty", "-m", message, at=checkout, env=_AUTHOR)
    return served


def serve_path(state: StateDir, path: Path) -> Served:
    """The repository at a path: what is committed on its current branch. Nothing in it is changed.

    Raises:
        RepositoryError: not a git repository, or without a commit.
    """
    try:
        top = Path(git("rev-parse", "--show-toplevel", at=path))
    except RepositoryError as error:
        raise RepositoryError(f"{path} is not a git repository with a working tree ({error})") from error
    return _served(state, top)


def serve_url(state: StateDir, url: str) -> Served:
    """The repository at a URL: its default branch, cloned with this user's own git credentials.

    Raises:
        RepositoryError: it cannot be cloned.
    """
    checkout = state.checkouts / _slug(url.rstrip("/").removesuffix(".git").rsplit("/", 1)[-1])
    if not (checkout / ".git").exists():
        git("clone", "--quiet", "--", url, str(checkout), at=state.checkouts)
    else:
        if git("remote", "get-url", "origin", at=checkout) != url:
            raise RepositoryError(f"{checkout} is a clone of another repository: remove it, then again")
        git("pull", "--quiet", "--ff-only", at=checkout)
    return _served(state, checkout)


def uncommitted(served: Served) -> int:
    """How many files of the checkout have changes that no commit holds (untracked ones included)."""
    return len(git("status", "--porcelain", at=served.checkout).splitlines())


def push(served: Served) -> Pushed:
    """Push the checkout's HEAD to the bare repository with real git; the hook tells the API.

    A commit the bare repository has already is no push and brings no job.

    Raises:
        RepositoryError: git refused the push.
    """
    sha = git("rev-parse", "HEAD", at=served.checkout)
    target = f"HEAD:refs/heads/{served.branch}"
    done = run_git("push", "--porcelain", "--force", str(served.bare), target, at=served.checkout)
    new = not any(line.startswith("=") for line in done.stdout.splitlines())  # "=": up to date
    said = [line.removeprefix("remote: ").rstrip() for line in done.stderr.splitlines() if line.startswith("remote: ")]
    found = JOB_LINE.search(done.stderr)
    return Pushed(sha, new, found.group(1) if found else "", "\n".join(said))


def _served(state: StateDir, checkout: Path) -> Served:
    try:
        git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", at=checkout)
    except RepositoryError as error:
        raise RepositoryError(f"{checkout} has no commit yet: commit something, then again") from error
    # A detached HEAD (CI systems leave one) has no name of its own.
    head = git("rev-parse", "--abbrev-ref", "HEAD", at=checkout)
    branch = "detached" if head == "HEAD" else head
    name = f"local/{_slug(checkout.name)}"
    bare = _bare(state, name)
    git("symbolic-ref", "HEAD", f"refs/heads/{branch}", at=bare)
    return Served(name, bare, checkout, branch)


def _bare(state: StateDir, name: str) -> Path:
    """The bare repository of that name, made if it is missing; its hook always written anew (paths may move)."""
    bare = state.repositories / f"{name}.git"
    if not (bare / "HEAD").exists():
        bare.mkdir(parents=True, exist_ok=True)
        git("init", "--quiet", "--bare", "--template=", "--initial-branch=main", at=bare)
    git("config", "receive.shallowUpdate", "true", at=bare)  # a shallow clone of the user's may be pushed, too
    git("config", "core.hooksPath", "hooks", at=bare)  # whatever the user's own git config says (husky, pre-commit)
    hook = bare / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        _HOOK.format(python=shlex.quote(sys.executable), state=shlex.quote(str(state.path))), encoding="utf-8"
    )
    hook.chmod(0o700)
    return bare


def _slug(name: str) -> str:
    """A name the API accepts as part of `owner/name`."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:80] or "repository"
