"""One branch of a repository in a directory: fetched, written to, committed, pushed.

Owns: the clone, as shallow as will do; what is fetched later; that nothing is written outside of it.
Leaves to others: git's settings (`fence.py`), races (`landing.py`), what is written (`raibid.gitops.files`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from raibid.forge import PayloadError, names
from raibid.git.cli import Ended, Git, failure
from raibid.git.errors import GitError, SourceGoneError
from raibid.git.rooms import Room
from raibid.gitops.change.fence import ATTRIBUTES, fenced, inside
from raibid.gitops.change.push_answer import push_error
from raibid.gitops.change.veil import veiled
from raibid.gitops.errors import NoRepositoryError, NotAllowedError

_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ROOM: Final = 1_000_000_000
"""Bytes: a repository that needs more than this for one commit is none that describes a cluster."""
_STEPS: Final = (50, 500)
"""Commits of each further look into the past; after them, all."""
_DEFAULT: Final = "HEAD"
_HEADS: Final = "refs/heads/"
_DIFF: Final = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")
"""Never by a program that a repository's settings name."""
_LINK: Final = "120000"
_SUBMODULE: Final = "160000"


@dataclass
class Checkout:
    """A branch as it was when it was last fetched, and what we did to it since. Not for several threads at once."""

    url: str
    branch: str
    at: Path
    runner: Git
    head: str = ""
    """The commit that is checked out: the branch's newest, or ours on top of it."""
    _shallow: bool = True
    _contains: dict[tuple[str, str], bool] = field(default_factory=dict)

    @classmethod
    def open(cls, url: str, branch: str, into: Path, git: Git, *, depth: int = 1) -> Self:
        """Clone the newest `depth` commits of a branch (`HEAD`: the default one) into an empty directory.

        `url` is one that `GitopsSettings.reachable` allowed.

        Raises:
            NoRepositoryError: no such repository or branch, or not for our credentials. GitError.
        """
        checkout = cls(url, _checked(branch), into, fenced(git))
        into.mkdir(parents=True, exist_ok=True)
        checkout.git("init", "--quiet", "--template=", "--initial-branch=raibid")
        (into / ".git" / "info").mkdir()
        (into / ".git" / "info" / "attributes").write_text(ATTRIBUTES)
        if branch == _DEFAULT:
            checkout.branch = checkout._default_branch()
        checkout._fetch(f"--depth={depth}")
        checkout.reset()
        return checkout

    def git(self, *arguments: str, lines: str = "") -> str:
        """What git prints, in this directory. Raises GitError."""
        return self.runner.run(*arguments, work=self.at, lines=lines)

    def attempt(self, *arguments: str, lines: str = "") -> Ended:
        """How git ended, in this directory."""
        return self.runner.attempt(*arguments, work=self.at, lines=lines)

    def refresh(self) -> str:
        """Fetch, and be the branch's newest commit: what was done here and not pushed is gone.

        Raises:
            NoRepositoryError: as `open`. GitError.
        """
        # In a repository that was deepened, `--depth` would cut its history again.
        self._fetch(*(("--depth=1",) if self._shallow else ()))
        return self.reset()

    def catch_up(self) -> str:
        """As `refresh`, but with every commit that was pushed since: `reaches` needs no other look then."""
        # Without a depth git asks for what is newer than it has, however shallow that is.
        self._fetch()
        return self.reset()

    def reset(self) -> str:
        """As `refresh`, without asking the forge."""
        self.git("reset", "--quiet", "--hard", self._newest)
        self.git("clean", "--quiet", "-ffdx")
        self.head = self.git("rev-parse", "HEAD").strip()
        return self.head

    @property
    def _newest(self) -> str:
        """The ref of the branch's newest commit, as it was last fetched."""
        return f"refs/remotes/origin/{self.branch}"

    def _fetch(self, *how: str, branch: str = "") -> None:
        name = branch or self.branch
        refspec = f"+refs/heads/{name}:refs/remotes/origin/{name}"
        arguments = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", *how, "--", self.url, refspec)
        ended = self.runner.attempt(*arguments, work=self.at, room=Room(self.at, _ROOM))
        if "couldn't find remote ref" in ended.err:
            raise NoRepositoryError(f"{self.url} has no branch {name}")
        if ended.code:
            raise self._unseen("fetch", ended)

    def _default_branch(self) -> str:
        ended = self.attempt("ls-remote", "--symref", "--", self.url, "HEAD")
        if ended.code:
            raise self._unseen("ls-remote", ended)
        told = next((line.split() for line in ended.out.splitlines() if line.startswith("ref: ")), [])
        if not told or not told[1].startswith(_HEADS):
            raise NoRepositoryError(f"{self.url} does not say which branch is its default one")
        return _checked(told[1].removeprefix(_HEADS))

    def _unseen(self, command: str, ended: Ended) -> NoRepositoryError | GitError:
        error = failure(command, ended)
        if not isinstance(error, SourceGoneError):
            return error
        return NoRepositoryError(
            f"{self.url}: no such repository, or not for our credentials ({ended.last})",
            f"is there a line for {urlsplit(self.url).hostname} in the file of credentials?",
        )

    def write(self, files: Mapping[str, bytes | None]) -> None:
        """Write files, by their paths in the repository; None deletes one.

        Raises:
            NotAllowedError: a path that leads out of the repository, or is a link or a submodule in it. GitError.
        """
        touched = [self._written(inside(path), content) for path, content in files.items()]
        if paths := "\0".join(f":(literal){path}" for path in touched if path):
            # By force: what is ignored below a directory of manifests is applied nevertheless.
            self.git("add", "--all", "--force", "--pathspec-from-file=-", "--pathspec-file-nul", lines=paths)

    def _written(self, path: str, content: bytes | None) -> str:
        kept = self.git("ls-files", "--stage", "--", f":(literal){path}")
        if kept.startswith((_LINK, _SUBMODULE)):
            raise NotAllowedError(f"{path} is a link in the repository")
        file = self.at / path
        if not file.resolve().is_relative_to(self.at.resolve()):
            raise NotAllowedError(f"{path} leads out of the repository")
        try:
            if content is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            else:
                file.unlink(missing_ok=True)
        except OSError as error:  # a directory where a file should be, or a file where a directory should
            raise NotAllowedError(f"{path}: {error.strerror}") from error
        return path if kept or content is not None else ""

    def diff(self, *, clear: Collection[str] = ()) -> str:
        """What is different from the branch's newest commit, as `difference` tells it."""
        self.git("add", "--all")
        return self.difference("HEAD", clear=clear)

    def difference(self, old: str, new: str = "", *, clear: Collection[str] = ()) -> str:
        """A unified diff of two commits (`new` empty: what is added), without values of Secrets (`veil.py`)."""
        sides = (old, new) if new else ("--cached", old)
        diff = self.git("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", *sides)
        return veiled(diff, lambda path: self._text_in(old, path), lambda path: self._text_in(new, path), clear)

    def _text_in(self, revision: str, path: str) -> str:
        return self.attempt("cat-file", "blob", f"{revision}:{path}").out

    def commit(self, message: str) -> str | None:
        """Commit everything; the commit. None: nothing is different."""
        self.git("add", "--all")
        if not self.attempt("diff", "--cached", "--quiet", *_DIFF, "HEAD").code:
            return None
        self.git("commit", "--quiet", "--no-verify", "--cleanup=verbatim", "--file=-", lines=message)
        self.head = self.git("rev-parse", "HEAD").strip()
        return self.head

    def push(self, branch: str = "", *, instead_of: str | None = None) -> None:
        """Push what is checked out to the branch, or to another one.

        `instead_of`: what that other branch must be for ours to take its place; empty: it must not be there.

        Raises:
            PushRacedError: somebody else was quicker. PushRefusedError: the forge takes no push there from us.
            GitError: nobody knows whether it went in.
        """
        target = _checked(branch or self.branch)
        lease = () if instead_of is None else (f"--force-with-lease=refs/heads/{target}:{instead_of}",)
        ended = self.attempt("push", "--porcelain", *lease, "--", self.url, f"HEAD:refs/heads/{target}")
        if ended.code:
            raise push_error(target, ended)
        if target == self.branch:
            self.git("update-ref", self._newest, "HEAD")

    def newest_of(self, branch: str) -> str:
        """The commit of another branch as the forge has it; empty: there is no such branch. Raises GitError."""
        ref = f"{_HEADS}{_checked(branch)}"
        found = self.git("ls-remote", "--", self.url, ref).split()
        return found[0] if found[1:2] == [ref] else ""

    def fetch(self, branch: str) -> str:
        """Fetch another branch's newest commit and its parents, not checked out; the commit. Raises as `refresh`."""
        self._fetch("--depth=2", branch=_checked(branch))
        return self.git("rev-parse", f"refs/remotes/origin/{branch}").strip()

    def deepen(self, *commits: str) -> None:
        """Fetch as much of the branch's past as these commits need to be in it; all of it for one that is not."""
        for step in (*(f"--deepen={step}" for step in _STEPS), "--unshallow"):
            if all(self.reaches(commit) for commit in commits) or not self._cut():
                return
            self._fetch(step)
            self._shallow = False

    def reach_back(self, count: int, commit: str = "") -> None:
        """Have so many commits of the line that leads to a commit (`head`, if nobody says), or all that there are."""
        counting = ("rev-list", "--count", "--first-parent", f"--max-count={count}", "--end-of-options")
        before, have = -1, int(self.git(*counting, commit or self.head))
        while before < have < count and self._cut():
            self._fetch(f"--deepen={count}")
            self._shallow = False
            before, have = have, int(self.git(*counting, commit or self.head))

    def _cut(self) -> bool:
        return self.git("rev-parse", "--is-shallow-repository").strip() == "true"

    def reaches(self, commit: str) -> bool:
        """Whether the branch has a commit, in what is fetched of it."""
        return not self.attempt("merge-base", "--is-ancestor", commit, self._newest).code

    def contains(self, ancestor: str, descendant: str) -> bool:
        """Whether one commit is another, or in its past; False, too, for what is no commit of the branch.

        Raises:
            GitError: the forge does not answer.
        """
        if ancestor == descendant:
            return True
        if not (_SHA.fullmatch(ancestor) and _SHA.fullmatch(descendant)):
            return False  # strangers write what is asked here
        pair = (ancestor, descendant)
        if pair not in self._contains:
            if not self._has(descendant):
                self._fetch(*(("--depth=1",) if self._shallow else ()))
            self.deepen(ancestor, descendant)
            if not (self._has(ancestor) and self._has(descendant)):
                return False  # now; it may be pushed yet
            self._contains[pair] = not self.attempt("merge-base", "--is-ancestor", *pair).code
        return self._contains[pair]

    def _has(self, commit: str) -> bool:
        return not self.attempt("cat-file", "-e", f"{commit}^{{commit}}").code


def _checked(branch: str) -> str:
    try:
        names.ref(f"{_HEADS}{branch}")
    except PayloadError as error:
        raise NotAllowedError(str(error)) from error
    return branch
