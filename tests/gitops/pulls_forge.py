"""Pull requests of a Gitea and of a GitHub, beside the repositories of a `GitHost`: the forge's part of a change.

host.api = GiteaPullsApi(host)

Owns: what their documentation says of branches and pull requests, as far as it is asked.
Leaves to others: git (`git_host.py`); the real Gitea (tests/cluster).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.gitops.git_host import GitHost

Answer = tuple[int, Any]
NOT_FOUND: Answer = (404, {"message": "Not Found"})


@dataclass
class PullsApi(ABC):
    """One forge. `pulls`: all of them, as they are shown; `down`: what it answers instead of everything."""

    host: GitHost
    pulls: list[dict[str, Any]] = field(default_factory=list)
    down: int = 0
    root: ClassVar[str]
    conflict: ClassVar[int]

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        if self.down:
            return self.down, {"message": "away"}
        if not path.startswith(self.root):
            return NOT_FOUND
        rest = path.removeprefix(self.root)
        if rest == self.about()[0]:
            return 200, self.about()[1]
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", rest)
        if not found or not self.host.bare(found[1]).exists():
            return NOT_FOUND
        return self._of(found[1], method, found[2] or "", query, body)

    def _of(self, repository: str, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        if path == "":
            return 200, {"full_name": repository, "permissions": {"push": True}}
        if path.startswith("/branches/"):
            return self._branch(repository, path.removeprefix("/branches/"))
        if path == "/pulls" and method == "GET":
            state = query.get("state", "open")
            return 200, [pull for pull in self.pulls if pull["state"] == state and self.matches(pull, query)]
        if path == "/pulls":
            return self._open(repository, body)
        found = next((pull for pull in self.pulls if path == f"/pulls/{pull['number']}"), None)
        if found is None or method != "PATCH":
            return NOT_FOUND
        found.update(body)
        return 201, found

    def _branch(self, repository: str, branch: str) -> Answer:
        if not self.host.head(repository, branch):
            return NOT_FOUND
        protected = (self.host.bare(repository) / "protected").read_text().split()
        return 200, self.branch(f"refs/heads/{branch}" in protected)

    def _open(self, repository: str, body: Mapping[str, str]) -> Answer:
        if not self.host.head(repository, body["head"]):
            return 404, {"message": "head does not exist"}
        pair = (body["head"], body["base"])
        if any((pull["head"]["ref"], pull["base"]["ref"]) == pair for pull in self.pulls if pull["state"] == "open"):
            return self.conflict, {"message": "pull request already exists for these targets"}
        number = len(self.pulls) + 1
        side = {"repo": {"full_name": repository}}
        self.pulls.append(
            {
                "number": number,
                "html_url": f"https://forge.example.org/{repository}/pulls/{number}",
                "state": "open",
                "title": body["title"],
                "body": body["body"],
                "head": {"ref": body["head"], **side},
                "base": {"ref": body["base"], **side},
            }
        )
        return 201, self.pulls[-1]

    @abstractmethod
    def about(self) -> tuple[str, Any]:
        """The path by which it is known, and what it answers there."""

    @abstractmethod
    def branch(self, protected: bool) -> dict[str, Any]:
        """A branch."""

    def matches(self, pull: Mapping[str, Any], query: Mapping[str, str]) -> bool:
        """Whether the list has it."""
        return True


class GiteaPullsApi(PullsApi):
    root = "/api/v1"
    conflict = 409

    def about(self) -> tuple[str, Any]:
        return "/version", {"version": "1.26.0"}

    def branch(self, protected: bool) -> dict[str, Any]:
        return {"name": "main", "protected": protected, "user_can_push": not protected}

    def _of(self, repository: str, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        pair = re.fullmatch(r"/pulls/([^/]+)/(.+)", path)
        if pair and method == "GET":  # whichever there is, of any state
            found = [pull for pull in self.pulls if (pull["base"]["ref"], pull["head"]["ref"]) == pair.groups()]
            return (200, {"merged": False, **found[0]}) if found else NOT_FOUND
        return super()._of(repository, method, path, query, body)


class GithubPullsApi(PullsApi):
    root = "/api/v3"
    conflict = 422

    def about(self) -> tuple[str, Any]:
        return "/meta", {"installed_version": "3.19.0"}

    def branch(self, protected: bool) -> dict[str, Any]:
        return {"name": "main", "protected": protected}

    def matches(self, pull: Mapping[str, Any], query: Mapping[str, str]) -> bool:
        owner = pull["head"]["repo"]["full_name"].partition("/")[0]
        return query.get("head") == f"{owner}:{pull['head']['ref']}" and query.get("base") == pull["base"]["ref"]
