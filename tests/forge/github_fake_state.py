"""What the fake GitHub knows: repositories, commits, pull requests, hooks; and how it shows each.

Owns: the state and its JSON shapes, merge bases and changed files.
Leaves to others: who may see it and by which path (`github_fake_routes.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.forge.github_fake import FakeGithub

BOT = "raibid-bot"
"""The user whose token the pool has; it owns every organisation."""


@dataclass(frozen=True)
class Asked:
    """A request and how it ended."""

    what: str
    status: int
    conditional: bool = False
    counted: bool = True


@dataclass(frozen=True)
class FakeApp:
    """A GitHub App that is installed once."""

    id: str
    installation: int
    public_key: str
    slug: str = "raibid-ci"
    lifetime: float = 3_600.0


@dataclass
class Hook:
    """A webhook of a repository or an organisation."""

    id: int
    config: dict[str, str]
    events: list[str]
    active: bool = True

    def shown(self) -> dict[str, Any]:
        """Its secret is never shown."""
        config = {**self.config, **({"secret": "********"} if self.config.get("secret") else {})}
        return {"id": self.id, "type": "Repository", "name": "web", "active": self.active, "events": self.events,
                "config": config}  # fmt: skip


@dataclass(frozen=True)
class Commit:
    """A commit with its whole tree."""

    sha: str
    parents: tuple[str, ...]
    tree: Mapping[str, str]
    message: str
    changed: Mapping[str, str]
    """File → added, modified or removed, against the first parent."""

    def shown(self) -> dict[str, Any]:
        """In a list of commits."""
        return {"sha": self.sha, "commit": {"message": self.message}, "parents": [{"sha": p} for p in self.parents]}

    def pushed(self) -> dict[str, Any]:
        """In a push event."""
        kinds = {k: [f for f, kind in self.changed.items() if kind == k] for k in ("added", "modified", "removed")}
        return {"id": self.sha, "message": self.message, "url": f"https://github.com/commit/{self.sha}", **kinds}


@dataclass
class Pull:
    """A pull request."""

    number: int
    title: str
    author: str
    head: str
    base: str
    head_repo: str | None
    """None: the fork is gone."""
    state: str = "open"


@dataclass
class Repository:
    """A repository; commits are in memory, a branch may also point to a commit that only a real git knows."""

    github: FakeGithub
    id: int
    full_name: str
    private: bool = False
    archived: bool = False
    fork: bool = False
    description: str | None = None
    default_branch: str = "main"
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    reviews: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    collaborators: dict[str, str] = field(default_factory=dict)
    hooks: list[Hook] = field(default_factory=list)

    def commit(self, files: Mapping[str, str | None], message: str = "A change", *, branch: str = "main") -> str:
        """Commit files on a branch (None: removed); a new branch begins at the default one. The sha."""
        tip = self.branches.get(branch) or self.branches.get(self.default_branch, "")
        before = self.commits[tip].tree if tip in self.commits else {}
        tree = {**before, **{name: text for name, text in files.items() if text is not None}}
        tree = {name: text for name, text in tree.items() if files.get(name, "") is not None}
        seed = repr((self.id, tip, sorted(tree.items()), message, branch, len(self.commits)))
        sha = hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest()
        parents = (tip,) if tip else ()
        self.commits[sha] = Commit(sha, parents, tree, message, difference(before, tree))
        self.branches[branch] = sha
        return sha

    def push_back(self, sha: str, branch: str = "main") -> None:
        """A forced push to an earlier (or any) commit."""
        self.branches[branch] = sha

    def pull(self, branch: str, *, title: str = "A change", author: str = "ada", fork: bool = False) -> int:
        """Open a pull request of a branch of this repository (or, as if, of the author's fork) into the default one."""
        number = len(self.pulls) + 1
        self.github.user(author)
        head_repo = f"{author}/{self.full_name.partition('/')[2]}" if fork else self.full_name
        self.pulls[number] = Pull(number, title, author, branch, self.default_branch, head_repo)
        return number

    def review(self, number: int, reviewer: str, state: str = "APPROVED", sha: str = "") -> None:
        """Somebody looked at a pull request: APPROVED, CHANGES_REQUESTED, COMMENTED or DISMISSED."""
        looked_at = sha or self.branches[self.pulls[number].head]
        self.reviews.setdefault(number, []).append(
            {"id": next(self.github.ids), "state": state, "commit_id": looked_at, "user": self.person(reviewer)}
        )

    # --- history -----------------------------------------------------------------------------------------------

    def ancestors(self, sha: str) -> dict[str, None]:
        """The commit and all before it, the newest first."""
        found: dict[str, None] = {}
        waiting = [sha]
        while waiting:
            one = waiting.pop()
            if one in self.commits and one not in found:
                found[one] = None
                waiting += self.commits[one].parents
        return found

    def merge_base(self, one: str, other: str) -> str:
        """The newest commit that both have; empty if there is none."""
        theirs = self.ancestors(other)
        return next((sha for sha in self.ancestors(one) if sha in theirs), "")

    def between(self, before: str, after: str) -> list[Commit]:
        """What `after` has and `before` has not, the newest first."""
        had = self.ancestors(before)
        return [self.commits[sha] for sha in self.ancestors(after) if sha not in had]

    def files(self, base: str, head: str) -> list[dict[str, str]]:
        """What differs between the merge base and `head`."""
        start = self.merge_base(base, head)
        before = self.commits[start].tree if start else {}
        return [{"filename": f, "status": kind} for f, kind in difference(before, self.commits[head].tree).items()]

    # --- as it is shown ----------------------------------------------------------------------------------------

    def shown(self, name: str = "") -> dict[str, Any]:
        """Itself."""
        full_name = name or self.full_name
        owner = full_name.partition("/")[0]
        base = self.github.clone_base or self.github.url
        return {
            "id": self.id,
            "name": full_name.partition("/")[2],
            "full_name": full_name,
            "owner": self.person(owner),
            "private": self.private,
            "visibility": "private" if self.private else "public",
            "html_url": f"https://github.com/{full_name}",
            "clone_url": f"{base}/{full_name}.git",
            "description": self.description,
            "fork": self.fork or bool(name),
            "archived": self.archived,
            "disabled": False,
            "mirror_url": None,
            "size": len(self.commits),
            "default_branch": self.default_branch,
        }

    def shown_pull(self, pull: Pull) -> dict[str, Any]:
        """One of its pull requests."""
        fork = pull.head_repo not in (None, self.full_name)
        head_repo = self.shown(pull.head_repo or "") if fork else self.shown() if pull.head_repo else None
        head_owner = (pull.head_repo or "unknown").partition("/")[0]
        return {
            "number": pull.number,
            "state": pull.state,
            "title": pull.title,
            "html_url": f"https://github.com/{self.full_name}/pull/{pull.number}",
            "user": self.person(pull.author),
            "head": {
                "label": f"{head_owner}:{pull.head}", "ref": pull.head, "sha": self.branches[pull.head],
                "repo": head_repo,
            },
            "base": {
                "label": f"{self.full_name.partition('/')[0]}:{pull.base}", "ref": pull.base,
                "sha": self.branches[pull.base], "repo": self.shown(),
            },
        }  # fmt: skip

    def person(self, login: str) -> dict[str, Any]:
        """A user or an organisation."""
        return {"login": login, "type": "Organization" if login in self.github.organisations else "User"}


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """File → what happened to it."""
    kinds = {}
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            kinds[name] = "added" if name not in before else "removed" if name not in after else "modified"
    return kinds
