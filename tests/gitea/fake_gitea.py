"""Gitea's API as far as the setup uses it, in memory: its codes, its duplicates, what it keeps to itself.

Written down from Gitea 1.26 (routers/api/v1), and compared with a real one: docs/host.md, What was tried.
"""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

from tests.http_server import Handler, HttpServer

Answer = tuple[int, Any]


@dataclass
class FakeGitea(HttpServer):
    """A Gitea with one administrator."""

    admin: str = "raibid-admin"
    passwords: dict[str, str] = field(default_factory=lambda: {"raibid-admin": "admin-sentinel"})
    organisations: set[str] = field(default_factory=set)
    repositories: dict[str, dict[str, Any]] = field(default_factory=dict)
    readers: dict[str, str] = field(default_factory=dict)
    protections: dict[str, dict[str, Any]] = field(default_factory=dict)
    hooks_of: defaultdict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    """By the path of their organisation or repository."""
    teams: list[dict[str, Any]] = field(default_factory=list)
    members: dict[str, set[str]] = field(default_factory=dict)
    """By the team's number."""
    calls: list[str] = field(default_factory=list)
    trouble: Callable[[FakeGitea], int] = lambda _: 0
    """The status that a request gets instead of an answer; 0 for none."""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Handler,), {"gitea": self})

    def writes(self) -> list[str]:
        return [call for call in self.calls if not call.startswith("GET")]

    @property
    def hooks(self) -> list[dict[str, Any]]:
        """Of the fleet's repository."""
        return self.hooks_of["repos/raibid/fleet"]

    @property
    def organisation_hooks(self) -> list[dict[str, Any]]:
        """Of the stack's organisation."""
        return self.hooks_of["orgs/raibid"]

    def team(self, name: str, of: str = "raibid") -> dict[str, Any]:
        return next(team for team in self.teams if (team["organisation"], team["name"]) == (of, name))

    def user(self, _: dict[str, Any], login: str) -> Answer:
        return 200, {"login": login, "is_admin": login == self.admin}

    def organisation(self, _: dict[str, Any], name: str) -> Answer:
        return (200, {"username": name}) if name in self.organisations else (404, {"message": "not found"})

    def add_organisation(self, body: dict[str, Any]) -> Answer:
        self.organisations.add(body["username"])
        self._new_team(body["username"], {"name": "Owners", "permission": "owner"})
        return 201, body

    def profile(self, _: dict[str, Any], name: str) -> Answer:
        return (200, {"login": name}) if name in self.passwords else (404, {"message": "not found"})

    def add_user(self, body: dict[str, Any]) -> Answer:
        if body["username"] in self.passwords:
            return 422, {"message": f"user already exists [name: {body['username']}]"}
        self.passwords[body["username"]] = body["password"]
        return 201, {"login": body["username"]}

    def change_user(self, body: dict[str, Any], name: str) -> Answer:
        if "login_name" not in body:
            return 422, {"message": "[LoginName]: Required"}
        self.passwords[name] = body["password"]
        return 200, {"login": name}

    def repository(self, _: dict[str, Any], name: str) -> Answer:
        return (200, self.repositories[name]) if name in self.repositories else (404, {"message": "not found"})

    def add_repository(self, body: dict[str, Any], owner: str) -> Answer:
        name = f"{owner}/{body['name']}"
        if name in self.repositories:
            return 409, {"message": "The repository with the same name already exists."}
        self.repositories[name] = {"full_name": name, "clone_url": f"http://gitea.example:3000/{name}.git", **body}
        return 201, self.repositories[name]

    def permission(self, _: dict[str, Any], repository: str, name: str) -> Answer:
        return 200, {"permission": self.readers.get(name, "none")}

    def add_reader(self, body: dict[str, Any], repository: str, name: str) -> Answer:
        self.readers[name] = body["permission"]
        return 204, None

    def protection(self, _: dict[str, Any], repository: str, branch: str) -> Answer:
        if branch not in self.protections:
            return 404, {"message": "not found"}
        # Names come back in an order of Gitea's own (seen with 1.26).
        rule = self.protections[branch].items()
        return 200, {key: sorted(value) if isinstance(value, list) else value for key, value in rule}

    def add_protection(self, body: dict[str, Any], repository: str) -> Answer:
        self.protections[body["rule_name"]] = body
        return 201, body

    def change_protection(self, body: dict[str, Any], repository: str, branch: str) -> Answer:
        self.protections[branch] |= body
        return 200, self.protections[branch]

    def list_teams(self, _: dict[str, Any], organisation: str) -> Answer:
        # With units of its own a team's permission is "none" in every answer.
        return 200, [{**team, "permission": "none"} for team in self.teams if team["organisation"] == organisation]

    def add_team(self, body: dict[str, Any], organisation: str) -> Answer:
        if not body.get("units_map"):
            return 500, {"message": "units permission should not be empty"}
        return 201, self._new_team(organisation, body)

    def _new_team(self, organisation: str, body: dict[str, Any]) -> dict[str, Any]:
        self.teams.append({"id": len(self.teams) + 1, "organisation": organisation, **body})
        return self.teams[-1]

    def change_team(self, body: dict[str, Any], number: str) -> Answer:
        (team,) = [team for team in self.teams if team["id"] == int(number)]
        team |= body if body.get("permission") else {"units_map": body["units_map"]}
        return 200, team

    def member(self, _: dict[str, Any], number: str, name: str) -> Answer:
        there = name in self.members.get(number, ())
        return (200, {"login": name}) if there else (404, {"message": "not found"})

    def add_member(self, _: dict[str, Any], number: str, name: str) -> Answer:
        self.members.setdefault(number, set()).add(name)
        return 204, None

    def list_hooks(self, _: dict[str, Any], home: str) -> Answer:
        # The secret is in no answer.
        return 200, [
            {**hook, "config": {key: hook["config"][key] for key in ("url", "content_type")}}
            for hook in self.hooks_of[home]
        ]

    def add_hook(self, body: dict[str, Any], home: str) -> Answer:
        hooks = self.hooks_of[home]
        number = max((hook["id"] for hook in hooks), default=0) + 1
        hooks.append({"id": number, **body, "events": events(body)})
        return 201, hooks[-1]

    def change_hook(self, body: dict[str, Any], home: str, number: str) -> Answer:
        hook = next(hook for hook in self.hooks_of[home] if hook["id"] == int(number))
        # The secret stays what it was; the filter is what was sent, if only nothing.
        config = {key: value for key, value in body.get("config", {}).items() if key != "secret"}
        hook |= {"branch_filter": "", **body, "config": {**hook["config"], **config}, "events": events(body)}
        return 200, hook

    def drop_hook(self, _: dict[str, Any], home: str, number: str) -> Answer:
        hooks = self.hooks_of[home]
        hooks[:] = [hook for hook in hooks if hook["id"] != int(number)]
        return 204, None


def events(body: dict[str, Any]) -> list[str]:
    """As Gitea answers them: out of a Go map, so in any order, and one of them by another name."""
    asked = body.get("events") or ["push"]
    return [{"pull_request_only": "pull_request"}.get(event, event) for event in reversed(asked)]


_HOME = r"(repos/[^/]+/[^/]+|orgs/[^/]+)"
ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", r"/orgs/([^/]+)", FakeGitea.organisation),
    ("POST", r"/orgs", FakeGitea.add_organisation),
    ("GET", r"/users/([^/]+)", FakeGitea.profile),
    ("POST", r"/admin/users", FakeGitea.add_user),
    ("PATCH", r"/admin/users/([^/]+)", FakeGitea.change_user),
    ("GET", r"/repos/([^/]+/[^/]+)", FakeGitea.repository),
    ("POST", r"/orgs/([^/]+)/repos", FakeGitea.add_repository),
    ("GET", r"/repos/([^/]+/[^/]+)/collaborators/([^/]+)/permission", FakeGitea.permission),
    ("PUT", r"/repos/([^/]+/[^/]+)/collaborators/([^/]+)", FakeGitea.add_reader),
    ("GET", r"/repos/([^/]+/[^/]+)/branch_protections/([^/]+)", FakeGitea.protection),
    ("POST", r"/repos/([^/]+/[^/]+)/branch_protections", FakeGitea.add_protection),
    ("PATCH", r"/repos/([^/]+/[^/]+)/branch_protections/([^/]+)", FakeGitea.change_protection),
    ("GET", r"/orgs/([^/]+)/teams", FakeGitea.list_teams),
    ("POST", r"/orgs/([^/]+)/teams", FakeGitea.add_team),
    ("PATCH", r"/teams/(\d+)", FakeGitea.change_team),
    ("GET", r"/teams/(\d+)/members/([^/]+)", FakeGitea.member),
    ("PUT", r"/teams/(\d+)/members/([^/]+)", FakeGitea.add_member),
    ("GET", rf"/{_HOME}/hooks", FakeGitea.list_hooks),
    ("POST", rf"/{_HOME}/hooks", FakeGitea.add_hook),
    ("PATCH", rf"/{_HOME}/hooks/(\d+)", FakeGitea.change_hook),
    ("DELETE", rf"/{_HOME}/hooks/(\d+)", FakeGitea.drop_hook),
]


class _Handler(Handler):
    """One request."""

    gitea: ClassVar[FakeGitea]

    def _serve(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        status, answer = self._answer(body)
        data = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _answer(self, body: dict[str, Any]) -> Answer:
        path = self.path.partition("?")[0].removeprefix("/api/v1")
        self.gitea.calls.append(f"{self.command} {path}")
        if trouble := self.gitea.trouble(self.gitea):
            return trouble, {"message": "not now"}
        credentials = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        login, _, password = credentials.partition(":")
        if self.gitea.passwords.get(login) != password:
            return 401, {"message": "invalid username, password or token"}
        if path == "/user":
            return self.gitea.user(body, login)
        for method, pattern, answer in ROUTES:
            if method == self.command and (match := re.fullmatch(pattern, path)):
                return answer(self.gitea, body, *match.groups())
        return 405, {"message": f"the fake knows no {self.command} {path}"}

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve
