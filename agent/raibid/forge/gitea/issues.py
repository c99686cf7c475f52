"""Issues at Gitea.

Owns: how Gitea lists them.
Leaves to others: the rest, which is both forges' (`raibid.forge.issues`).
"""

from __future__ import annotations

from urllib.parse import quote

from raibid.forge.gitea.client import PAGE, GiteaClient
from raibid.forge.issues import MarkedIssues


def gitea_issues(client: GiteaClient) -> MarkedIssues:
    """Issues as the client's user."""

    def listed(login: str) -> str:
        return f"state=all&type=issues&created_by={quote(login, safe='')}&limit={PAGE}"

    return MarkedIssues(client.session, lambda: client.login, listed)
