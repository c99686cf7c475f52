"""One comment per marker on a pull request of Gitea: written once, replaced ever after.

Owns: finding the comment again by its marker, over all pages; PATCH or POST; Gitea's errors in our words.
Leaves to others: what it says (`review.summary`). `raibid.forge` is the other half's and is not imported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import requests

_TIMEOUT: Final = (5, 30)
_PAGE: Final = 50  # Gitea's default maximum (api.MAX_RESPONSE_ITEMS)


class ForgeError(Exception):
    """Gitea did not take the comment. `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class PullRequest:
    """Where to comment."""

    server: str
    """`https://gitea.example`."""
    repository: str
    """`owner/name`."""
    number: int
    token: str = field(repr=False)

    def upsert_comment(self, marker: str, body: str) -> str:
        """Replace the comment that holds `marker`, or write a new one; "updated" or "created".

        Only comments of the token's own user are replaced: anybody can write a marker.

        Raises:
            ForgeError: Gitea cannot be reached, or refuses.
        """
        me = self._call("GET", "/user")["login"]
        comments = f"/repos/{self.repository}/issues/{self.number}/comments"
        for comment in self._pages(comments):
            if marker in comment["body"] and comment["user"]["login"] == me:
                self._call("PATCH", f"/repos/{self.repository}/issues/comments/{comment['id']}", json={"body": body})
                return "updated"
        self._call("POST", comments, json={"body": body})
        return "created"

    def _pages(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page: list[dict[str, Any]] | None = None
        while page is None or len(page) == _PAGE:
            number = len(found) // _PAGE + 1
            page = self._call("GET", path, params={"page": number, "limit": _PAGE})
            # Gitea releases before 1.24 answer this list whole, whatever page is asked for.
            if page and found and page[0]["id"] == found[0]["id"]:
                break
            found += page
        return found

    def _call(self, method: str, path: str, **request: Any) -> Any:
        url = f"{self.server.rstrip('/')}/api/v1{path}"
        headers = {"Authorization": f"token {self.token}", "Accept": "application/json"}
        try:
            answer = requests.request(method, url, headers=headers, timeout=_TIMEOUT, allow_redirects=False, **request)
        except requests.RequestException as error:
            raise ForgeError(f"{self.server}: {type(error).__name__}", "is the server's address right?") from error
        if not answer.ok or answer.is_redirect:
            hints = {
                401: "the token is not valid",
                403: "the token needs write:issue and read:user",
                404: "no such pull request",
            }
            raise ForgeError(
                f"{method} {path}: {answer.status_code}", hints.get(answer.status_code, "the server's log says why")
            )
        try:
            return answer.json()
        except requests.JSONDecodeError as error:
            raise ForgeError(f"{method} {path}: the answer is not JSON", "is the server a Gitea?") from error
