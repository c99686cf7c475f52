"""HTTP as GitHub has it: who asks, how often, conditional requests, pages, redirects of renamed repositories.

Owns: every header and every refusal that does not depend on the endpoint.
Leaves to others: the endpoints (`github_fake_routes.py`).

Sources: GitHub's documentation, "Getting started with the REST API", "Using pagination", "Best practices" (conditional
requests), "Rate limits for the REST API", "Troubleshooting the REST API".
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.forge import github_fake_hooks, github_fake_routes  # noqa: F401 - they register their endpoints
from tests.forge.github_fake_routing import Page, Refused, route
from tests.forge.github_fake_state import Asked
from tests.http_server import Handler

if TYPE_CHECKING:
    from tests.forge.github_fake import FakeGithub

_NAMED = re.compile(r"/repos/([^/]+/[^/]+)(/.*)?")
_BY_ID = re.compile(r"/repositories/(\d+)(/.*)?")
_DOCS = "https://docs.github.com/rest"


class RequestHandler(Handler):
    """One request."""

    github: ClassVar[FakeGithub]

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._headers: dict[str, str] = {}
        asked, counted = f"{self.command} {self.path}", True
        with self.github.lock:
            loses = self.github.loses(asked)
            status, answer = self._limited(asked) or self._answer(body)
            content = b"" if status == 204 else json.dumps(answer).encode()
            if status == 200 and self.command == "GET":
                etag = f'W/"{hashlib.sha256(content).hexdigest()}"'
                self._headers["ETag"] = etag  # of the page alone; a 304 brings the `Link` of now
                if self.headers.get("If-None-Match") == etag:
                    status, content, counted = 304, b"", False
                    self.github.remaining += 1  # a 304 does not count
            self.github.answered.append(Asked(asked, status, "If-None-Match" in self.headers, counted))
        if loses:
            self.close_connection = True
            return
        self._send(status, content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

    def _send(self, status: int, content: bytes) -> None:
        github = self.github
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json; charset=utf-8",
            "X-RateLimit-Limit": str(github.limit),
            "X-RateLimit-Remaining": str(github.remaining),
            "X-RateLimit-Used": str(github.limit - github.remaining),
            "X-RateLimit-Reset": str(github.reset_at),
            "X-RateLimit-Resource": "core",
            "Content-Length": str(len(content)),
            **self._headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    # --- before any endpoint -----------------------------------------------------------------------------------

    def _limited(self, asked: str) -> tuple[int, Any] | None:
        github = self.github
        if not self.headers.get("User-Agent"):
            return 403, {"message": "Request forbidden by administrative rules. Please make sure your request has a "
                         "User-Agent header"}  # fmt: skip
        if not github.count():
            said = {"message": "API rate limit exceeded for user ID 1.", "documentation_url": _DOCS}
            return github.limit_status, said
        writes = len([one for one in github.answered if not one.what.startswith("GET ") and one.status < 400])
        if github.most_writes is not None and writes >= github.most_writes and self.command != "GET":
            github.secondary = github.secondary or 60
        if github.secondary:
            self._headers["Retry-After"] = str(github.secondary)
            return github.limit_status, {
                "message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
                "documentation_url": _DOCS,
            }
        if status := github.trouble(asked):
            return status, {"message": "Server Error" if status >= 500 else "not\n  now"}
        return None

    def _answer(self, body: bytes) -> tuple[int, Any]:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        try:
            who = self._who()
            path = self._redirected(parts.path)
            if path is None:
                # GitHub tells readers for good, and writers for now, so that they repeat what they sent.
                return (301 if self.command == "GET" else 307), {"message": "Moved Permanently", "url": _DOCS}
            given = json.loads(body) if body else {}
            status, answer = route(self.github, who, self.command, path, query, given)
        except json.JSONDecodeError:
            return 400, {"message": "Problems parsing JSON", "documentation_url": _DOCS}
        except Refused as refused:
            return refused.status, refused.shown(_DOCS)
        return status, self._paged(answer, query) if isinstance(answer, Page) else answer

    def _who(self) -> str:
        """The login of the token; empty for nobody. A JWT is the App's business."""
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if not kind:
            return ""
        if kind.lower() == "basic":
            value = base64.b64decode(value).decode().partition(":")[2]
        if value.count(".") == 2:
            return f"jwt:{value}"
        if value not in self.github.tokens:
            raise Refused(401, "Bad credentials")
        return self.github.tokens[value]

    def _redirected(self, path: str) -> str | None:
        """The path by the repository's present name; None: it was asked by an earlier one."""
        if match := _BY_ID.fullmatch(path):
            there = [r.full_name for r in self.github.repositories.values() if r.id == int(match[1])]
            return f"/repos/{there[0] if there else 'no/thing'}{match[2] or ''}"
        match = _NAMED.fullmatch(path)
        if not match or match[1] in self.github.repositories or match[1] not in self.github.renamed:
            return path
        query = urlsplit(self.path).query
        place = f"{self.github.url}/repositories/{self.github.renamed[match[1]]}{match[2] or ''}"
        self._headers["Location"] = f"{place}?{query}" if query else place
        return None

    def _paged(self, page: Page, query: dict[str, str]) -> Any:
        size = min(int(query.get("per_page", "30")), page.most)
        number = max(1, int(query.get("page", "1")))
        last = max(1, math.ceil(len(page.items) / size))
        links = {"next": number + 1, "last": last} if number < last else {}
        links = {**({"first": 1, "prev": number - 1} if number > 1 else {}), **links}
        if links:
            base = f"{self.github.url}{urlsplit(self.path).path}"
            self._headers["Link"] = ", ".join(
                f'<{base}?{urlencode({**query, "page": to})}>; rel="{name}"' for name, to in links.items()
            )
        return page.shown(page.items[(number - 1) * size : number * size], number)
