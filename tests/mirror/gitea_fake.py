"""A Gitea over real HTTP as far as mirrors go, with trouble at any call.

Written down from Gitea 1.26 and compared with a real one in tests/cluster/test_mirrors.py: a migration makes the
repository first, and what fails, or dies, leaves a shell of it.

    with FakeGitea() as gitea:
        gitea.sources.add("https://github.com/acme/anvil.git")
        gitea.trouble = Trouble("lost", at=3)      # the fourth request
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qs, urlsplit

from tests.http_server import HttpServer

NAME, PASSWORD = "raibid-mirror", "gitea-sentinel"
Answer = tuple[int, Any]
Mode = Literal["500", "cut", "lost", "half", "later"]
MODES: tuple[Mode, ...] = ("500", "cut", "lost", "half", "later")


@dataclass(frozen=True)
class Trouble:
    """What happens at one request, counted from 0.

    `500` and `cut`: nothing is done; `lost`: it is done, and the connection breaks before the answer; `half`: of a
    migration, Gitea dies over it; `later`: of a migration, the connection breaks and Gitea goes on.
    """

    mode: Mode
    at: int


@dataclass
class FakeGitea(HttpServer):
    """One Gitea with one administrator."""

    owners: set[str] = field(default_factory=set)
    repositories: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By full name in lower case."""
    redirects: dict[str, str] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    """What can be cloned; of the other sources a migration fails."""
    token: str = ""
    """What all sources want to see, if anything."""
    troubles: tuple[Trouble, ...] = ()
    before: Callable[[str], None] = lambda _: None
    """Called with each request before it is answered."""
    asked: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    removed: list[dict[str, Any]] = field(default_factory=list)
    page: int = 50
    _ids: int = 0
    _under_way: list[str] = field(default_factory=list)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Handler,), {"gitea": self})

    def credentials(self, file: Path, *more: str) -> Path:
        """The file that lets the pool in."""
        file.touch(mode=0o600)
        file.write_text("\n".join([self.url.replace("//", f"//{NAME}:{PASSWORD}@"), *more, ""]))
        return file

    def writes(self) -> list[str]:
        return [asked for asked in self.asked if not asked.startswith("GET ")]

    def forget(self) -> None:
        """Begin a new request log, without trouble."""
        self.asked.clear()
        self.bodies.clear()
        self.troubles = ()

    def hours_pass(self) -> None:
        for one in self.repositories.values():
            one["created_at"] = _at(datetime.now(UTC) - timedelta(hours=2))
        for name in self._under_way:  # Gitea's own limit for a clone is ten minutes
            self._cloned(self.repositories[name])
        self._under_way.clear()

    def make(self, full_name: str, **facts: Any) -> dict[str, Any]:
        """A repository: `source=` makes it a mirror, `topics=[…]`."""
        self._ids += 1
        self.owners.add(full_name.partition("/")[0].lower())
        source = facts.pop("source", "")
        one = {
            "id": self._ids, "full_name": full_name, "description": "", "private": True, "mirror": bool(source),
            "empty": False, "original_url": source, "mirror_interval": "8h0m0s" if source else "",
            "mirror_updated": "", "created_at": _at(datetime.now(UTC)), "topics": [], "git": True, **facts,
        }  # fmt: skip
        self.repositories[full_name.lower()] = one
        return one

    def state(self) -> dict[str, dict[str, Any]]:
        """What counts of all repositories."""
        kept = ("description", "private", "mirror", "empty", "original_url", "mirror_interval", "topics")
        return {name: {key: one[key] for key in kept} for name, one in sorted(self.repositories.items())}

    # --- what it answers ---------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any], mode: str) -> Answer:
        if match := re.fullmatch(r"/(orgs|users)/([^/]+)/repos", path):
            return self._listed(match[2].lower())
        if path == "/repos/search":
            found = [one for one in self._sorted() if any(t.startswith(query["q"]) for t in one["topics"])]
            return 200, {"ok": True, "data": found}
        if path == "/orgs":
            if body["username"].lower() in self.owners:
                return 422, {"message": f"user already exists [name: {body['username']}]"}
            self.owners.add(body["username"].lower())
            return 201, {"username": body["username"]}
        if path == "/repos/migrate":
            return self._migrated(body, mode)
        match = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", path)
        assert match, path
        return self._of(method, match[1].lower(), match[2] or "", body)

    def _sorted(self) -> list[dict[str, Any]]:
        return sorted(self.repositories.values(), key=lambda one: int(one["id"]))

    def _listed(self, owner: str) -> Answer:
        if owner not in self.owners:
            return 404, {"message": "GetOrgByName"}
        return 200, [one for one in self._sorted() if one["full_name"].lower().startswith(f"{owner}/")]

    def _of(self, method: str, name: str, rest: str, body: dict[str, Any]) -> Answer:
        if name in self.redirects and name not in self.repositories:
            return 301, f"/api/v1/repos/{self.redirects[name]}{rest}"
        one = self.repositories.get(name)
        if one is None:
            return 404, {"message": "The target couldn't be found."}
        if name in self._under_way and method == "GET" and not rest:
            self._under_way.remove(name)  # it shows a shell once more, and then it is done
            shell = dict(one)
            self._cloned(one)
            return 200, shell
        if rest == "/tags":
            return (200, []) if one["git"] else (500, {"message": "no such file or directory"})
        if rest.startswith("/topics/"):
            topic = {rest.rpartition("/")[2]}
            if method == "DELETE" and not topic & set(one["topics"]):
                return 404, {"message": "topic does not exist"}
            one["topics"] = sorted({*one["topics"]} | topic if method == "PUT" else {*one["topics"]} - topic)
            return 204, None
        if method == "PATCH":
            return self._changed(name, one, body)
        if method == "DELETE":
            self.removed.append(self.repositories.pop(name))
            return 204, None
        return 200, one

    @staticmethod
    def _cloned(one: dict[str, Any]) -> None:
        one.update(mirror_interval=one.pop("interval"), empty=False)

    def _changed(self, name: str, one: dict[str, Any], body: dict[str, Any]) -> Answer:
        if "mirror_interval" in body and not one["mirror_interval"]:
            return 500, {"message": "Mirror does not exist"}
        new = f"{name.partition('/')[0]}/{body['name']}" if "name" in body else name
        if new.lower() != name and new.lower() in self.repositories:
            return 422, {"message": "The repository with the same name already exists."}
        one.update({key: value for key, value in body.items() if key != "name"})
        if new.lower() != name:
            one["full_name"] = f"{one['full_name'].partition('/')[0]}/{body['name']}"
            self.repositories[new.lower()] = self.repositories.pop(name)
            self.redirects[name] = one["full_name"]
        return 200, one

    def _migrated(self, body: dict[str, Any], mode: str) -> Answer:
        full_name = f"{body['repo_owner']}/{body['repo_name']}"
        if body["repo_owner"].lower() not in self.owners:
            return 422, {"message": f"user does not exist [uid: 0, name: {body['repo_owner']}]"}
        if full_name.lower() in self.repositories:
            return 409, {"message": "The repository with the same name already exists."}
        facts = {key: body[key] for key in ("description", "private")}
        one = self.make(full_name, source=body["clone_addr"], **facts, empty=True, mirror_interval="")
        if mode == "half":
            return 0, None
        if body["clone_addr"] not in self.sources or body["auth_token"] != self.token:
            one["git"] = False
            return 422, {"message": "Migration failed: clone error: exit status 128"}
        if mode == "later":
            one["interval"] = body["mirror_interval"]
            self._under_way.append(full_name.lower())
            return 0, None
        one.update(mirror_interval=body["mirror_interval"], empty=False)
        return 201, one


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet: two cost 40 ms (Nagle, delayed ACK)
    gitea: ClassVar[FakeGitea]

    def log_message(self, *_: Any) -> None:
        pass

    def _serve(self) -> None:
        gitea = self.gitea
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(raw) if raw else {}
        number = len(gitea.asked)
        asked = f"{self.command} {self.path}"
        gitea.asked.append(asked)
        gitea.bodies.append(body)
        gitea.before(asked)
        mode = next((trouble.mode for trouble in gitea.troubles if trouble.at == number), "")
        expected = "Basic " + base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
        if mode == "cut":
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if self.headers.get("Authorization") != expected:
            status, answer = 401, {"message": "invalid username, password or token"}
        elif mode == "500":
            status, answer = 500, {"message": "no"}
        else:
            status, answer = gitea.answer(self.command, parts.path.removeprefix("/api/v1"), query, body, mode)
        if mode in ("lost", "half", "later"):
            self.close_connection = True
            return
        self._send(status, answer, query)

    def _send(self, status: int, answer: Any, query: dict[str, str]) -> None:
        link = ""
        items = answer.get("data") if isinstance(answer, dict) else answer
        if isinstance(items, list) and "limit" in query:
            size, page = min(int(query["limit"]), self.gitea.page), int(query.get("page", "1"))
            if page * size < len(items):
                path = self.path.partition("&page=")[0]
                link = f'<http://gitea.example.org{path}&page={page + 1}>; rel="next"'
            items = items[(page - 1) * size : page * size]
            answer = {**answer, "data": items} if isinstance(answer, dict) else items
        self.send_response(status)
        if link:
            self.send_header("Link", link)
        if status == 301:
            self.send_header("Location", answer)
            answer = None
        data = b"" if answer is None else json.dumps(answer).encode()
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if status != 204:
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve


def _at(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
