"""A forge's issues and commit statuses, beside pull requests and repositories: what the rollback's records go to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.gitops.git_host import USER
from tests.gitops.pulls_forge import Answer, GiteaPullsApi, GithubPullsApi, PullsApi


@dataclass
class _Issues(PullsApi):
    issues: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Commit and status, in the order in which they came."""
    refuse: tuple[str, ...] = ()
    """Parts of paths that are answered with 503."""
    login: str = USER

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        if any(part in path for part in self.refuse):
            return 503, {"message": "not now"}
        if path == f"{self.root}/user":
            return 200, {"login": self.login}
        return super().answer(method, path, query, body)

    def _of(self, repository: str, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        if path.startswith("/statuses/") and method == "POST":
            self.statuses.append((path.removeprefix("/statuses/"), body))
            return 201, {"id": len(self.statuses), "status": body["state"], "state": body["state"], **body}
        if path == "/issues" and method == "GET":
            who = query.get("created_by") or query.get("creator")
            return 200, [issue for issue in reversed(self.issues) if issue["user"]["login"] == who]
        if path == "/issues":
            return 201, self.add(body["title"], body["body"], self.login)
        if path.startswith("/issues/") and method == "PATCH":
            found = self.issues[int(path.removeprefix("/issues/")) - 1]
            found.update(body)
            return 201, found
        return super()._of(repository, method, path, query, body)

    def add(self, title: str, body: str, login: str, **more: Any) -> dict[str, Any]:
        """An issue as somebody opens it."""
        number = len(self.issues) + 1
        issue = {"number": number, "title": title, "body": body, "state": "open", "user": {"login": login}, **more}
        self.issues.append(issue)
        return issue

    def states(self, sha: str) -> list[str]:
        """A commit's statuses, in order."""
        return [status["state"] for commit, status in self.statuses if commit == sha]


class GiteaIssueApi(_Issues, GiteaPullsApi):
    """Gitea's."""


class GithubIssueApi(_Issues, GithubPullsApi):
    """GitHub Enterprise's."""
