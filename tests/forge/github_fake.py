"""A GitHub over real HTTP, as its documentation says it answers: for the tests of whoever talks to it, or listens.

    with FakeGithub() as github:
        anvil = github.repository("acme/anvil", private=True)      # makes the organisation `acme`, which the bot owns
        first = anvil.commit({"src/a.rs": "1"}, "The first one")   # on main; returns the sha
        number = anvil.pull("offer", title="Take it", author="ada")       # from a branch …
        number = anvil.pull("offer", title="A gift", author="mallory", fork=True)  # … or from mallory's fork
        client = GithubClient.connect(github.url, github.credentials(tmp_path / "credentials"))

State (change it at will): `github.repositories[full_name]` → Repository: `branches` (name → sha, also real ones),
`commits`, `pulls`, `statuses` (as sent, with `sha`), `comments` and `reviews` (number → list), `collaborators` (login →
permission), `hooks`; `github.hooks[organisation]`. `github.rename(old, new)`, `github.drop(full_name)`,
`anvil.push_back(sha)`, `anvil.review(number, "grace")`. `github.clone_base`: where clone URLs point to, e.g. a real git
server.

What was asked: `github.asked` (list of "METHOD /path?query"), `github.writes()` (those that are no GET),
`github.answered` (Asked: with status and whether it was conditional).

Trouble: `github.trouble = lambda asked: 503 or 0`; `github.loses = lambda asked: bool` (done, but the connection breaks
before the answer); `github.limit`/`github.remaining`/`github.reset_in` (primary rate limit: 403 when none is left);
`github.secondary = 30` (403 with Retry-After until set to 0), `github.most_writes` (more of them make it so by
themselves), `github.limit_status = 429` (GitHub says it or 403 for either limit); `stop()` and `start()` keep port and
state.

Webhooks: `github.deliver("acme/anvil", "push", payload)` posts to the repository's and the organisation's active hooks
of that event, signed with their secrets, and returns the statuses answered; `github.push_payload(...)` makes a payload.

An App: `github.app = FakeApp(id="123456", installation=7890, public_key=pem, slug="raibid-ci")`; its tokens expire.

Owns: starting and stopping, state, what tests ask of it.
Leaves to others: HTTP as GitHub has it (`github_fake_http.py`), each endpoint (`github_fake_routes.py`), commits, pull
requests and their shapes (`github_fake_state.py`).
"""

from __future__ import annotations

import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from raibid.forge.webhook import HUB_SIGNATURE, sign

from tests.forge.github_fake_http import RequestHandler
from tests.forge.github_fake_state import BOT, Asked, FakeApp, Hook, Repository
from tests.http_server import HttpServer

__all__ = ["BOT", "TOKEN", "FakeApp", "FakeGithub", "Repository"]

TOKEN = "ghp_fakeTokenOfTheBotForTestsOnly0000"


@dataclass
class FakeGithub(HttpServer):
    """See the module."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    organisations: dict[str, dict[str, str]] = field(default_factory=dict)
    """Name → its members: login → admin or member."""
    users: set[str] = field(default_factory=lambda: {BOT})
    hooks: dict[str, list[Hook]] = field(default_factory=dict)
    """Organisation → its hooks."""
    tokens: dict[str, str] = field(default_factory=lambda: {TOKEN: BOT})
    renamed: dict[str, int] = field(default_factory=dict)
    """Earlier name → id."""
    app: FakeApp | None = None
    clone_base: str = ""

    answered: list[Asked] = field(default_factory=list)
    trouble: Callable[[str], int] = lambda _: 0
    loses: Callable[[str], bool] = lambda _: False
    limit: int = 5_000
    remaining: int = 5_000
    reset_in: float = 3_600.0
    secondary: int = 0
    limit_status: int = 403
    most_writes: int | None = None
    clock: Callable[[], float] = time.time

    lock: threading.RLock = field(default_factory=threading.RLock)
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _reset_at: float = 0.0

    def handler(self) -> type[RequestHandler]:
        return type("Bound", (RequestHandler,), {"github": self})

    @property
    def asked(self) -> list[str]:
        """Method and path with query, in order."""
        return [one.what for one in self.answered]

    def writes(self) -> list[str]:
        """What was asked that changes something."""
        return [what for what in self.asked if not what.startswith("GET ")]

    def credentials(self, file: Path, token: str = TOKEN) -> Path:
        """The file that lets the pool in."""
        file.touch(mode=0o600)
        file.write_text(f"http://x:{token}@127.0.0.1:{self.port}\n")
        return file

    # --- what there is -----------------------------------------------------------------------------------------

    def organisation(self, name: str) -> str:
        """An organisation, owned by the bot."""
        self.organisations.setdefault(name, {BOT: "admin"})
        return name

    def user(self, name: str, token: str = "") -> str:
        """A user, with a token if one is given."""
        self.users.add(name)
        if token:
            self.tokens[token] = name
        return name

    def repository(self, full_name: str, **facts: Any) -> Repository:
        """A new, empty repository; `facts`: fields of Repository. An owner that is no user becomes an organisation."""
        owner = full_name.partition("/")[0]
        if owner not in self.users:
            self.organisation(owner)
        self.repositories[full_name] = made = Repository(self, next(self.ids), full_name, **facts)
        return made

    def rename(self, old: str, new: str) -> None:
        """From now on the old name redirects."""
        with self.lock:
            repository = self.repositories.pop(old)
            repository.full_name = new
            self.repositories[new] = repository
            self.renamed[old] = repository.id

    def drop(self, full_name: str) -> None:
        """It was deleted, or made private to us."""
        del self.repositories[full_name]

    # --- the primary limit -------------------------------------------------------------------------------------

    def count(self) -> bool:
        """Count one call; False when none was left. A new window begins when the old one is over."""
        with self.lock:
            if self.clock() >= self._reset_at:
                first, self._reset_at = self._reset_at == 0.0, self.clock() + self.reset_in
                self.remaining = self.remaining if first else self.limit
            if self.remaining <= 0:
                return False
            self.remaining -= 1
            return True

    @property
    def reset_at(self) -> int:
        """When the window ends, in seconds since 1970."""
        return int(self._reset_at or self.clock() + self.reset_in) + 1

    # --- webhooks ----------------------------------------------------------------------------------------------

    def hooks_of(self, full_name: str, event: str) -> list[Hook]:
        """Whom an event is told."""
        owner = full_name.partition("/")[0]
        every = [*self.repositories[full_name].hooks, *self.hooks.get(owner, ())]
        return [hook for hook in every if hook.active and {event, "*"} & set(hook.events)]

    def deliver(self, full_name: str, event: str, payload: Mapping[str, Any]) -> list[int]:
        """Tell the hooks, as GitHub does: once, signed over the raw body."""
        body = json.dumps(payload).encode()
        statuses = []
        for hook in self.hooks_of(full_name, event):
            headers = {
                "User-Agent": "GitHub-Hookshot/fake",
                "X-GitHub-Event": event,
                "X-GitHub-Delivery": str(uuid.uuid4()),
                "X-GitHub-Hook-ID": str(hook.id),
                "Content-Type": "application/json",
            }
            if secret := hook.config.get("secret"):
                headers[HUB_SIGNATURE] = sign(body, secret.encode())[HUB_SIGNATURE]
            answer = requests.post(hook.config["url"], data=body, headers=headers, timeout=10)
            statuses.append(answer.status_code)
        return statuses

    def push_payload(self, full_name: str, branch: str, before: str, after: str, pusher: str = "ada") -> dict[str, Any]:
        """A `push` event's body."""
        repository = self.repositories[full_name]
        return {
            "ref": f"refs/heads/{branch}",
            "before": before,
            "after": after,
            "created": not before.strip("0"),
            "deleted": not after.strip("0"),
            "forced": False,
            "compare": f"https://github.com/{full_name}/compare/{before[:12]}...{after[:12]}",
            "repository": repository.shown(),
            "pusher": {"name": pusher, "email": f"{pusher}@example.com"},
            "sender": {"login": pusher, "id": 1, "type": "User"},
            "commits": [commit.pushed() for commit in reversed(repository.between(before, after))],
            "head_commit": repository.commits[after].pushed() if after in repository.commits else None,
        }
