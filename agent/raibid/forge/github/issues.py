"""Issues at GitHub.

Owns: how GitHub lists them.
Leaves to others: the rest, which is both forges' (`raibid.forge.issues`).
"""

from __future__ import annotations

from urllib.parse import quote

from raibid.forge.github.client import GithubClient
from raibid.forge.issues import MarkedIssues


def github_issues(client: GithubClient) -> MarkedIssues:
    """Issues as the client's user, or its App's."""

    def listed(login: str) -> str:
        return f"state=all&creator={quote(login, safe='')}&per_page=100"

    return MarkedIssues(client.session, lambda: client.login, listed)
