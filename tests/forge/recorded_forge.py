"""Exchanges with a real forge, recorded and played again over real HTTP.

`Recorder` stands between a client and the real forge and writes down what passes; `Player` answers the same to the same
questions in the same order, and refuses any other. What a test had to do beside the API (pushing with git) it does by
`given`, whose result is written down as well. No credential and no secret is: of a request's login only the name.

Owns: the recording's format, what is left out of it.
Leaves to others: the tests (`gitea_contract.py`), the real forge (tests/cluster/test_gitea_api.py).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar, Self

import requests

from tests.http_server import Handler, HttpServer

RECORD = "RAIBID_RECORD_FORGE"
"""Set in the environment, the tests on the real forge write their recordings anew."""
PLACES = Path(__file__).parent / "recorded"
_ROOT = "http://gitea.example.test"
"""The forge's own address in recordings: never the one that is asked, as inside the cluster."""
_KEPT = ("Link", "Location", "Retry-After")
_SECRET = frozenset({"secret", "password", "sha1", "token", "token_last_eight"})
_TEDIOUS = frozenset(
    {"avatar_url", "last_login", "created", "created_at", "updated_at", "email", "permissions", "ssh_url"}
)
"""Long, different at each recording, and decoded by nobody."""

Facts = dict[str, str]


@dataclass
class Recording:
    """What one test had and said."""

    file: Path
    facts: list[Facts] = field(default_factory=list)
    exchanges: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def load(cls, name: str) -> Self:
        """The recording of a test."""
        file = PLACES / f"{name}.json"
        assert file.exists(), f"no recording of {name}: run its module in tests/cluster with {RECORD}=1"
        return cls(file, **json.loads(file.read_text(encoding="utf-8")))

    def save(self) -> None:
        """Write it down."""
        self.file.parent.mkdir(exist_ok=True)
        said = {"facts": self.facts, "exchanges": self.exchanges}
        self.file.write_text(json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


class Recorder:
    """A way to the real forge that remembers."""

    def __init__(self, upstream: str, name: str) -> None:
        self.recording = Recording(PLACES / f"{name}.json")
        self._upstream = upstream

    def given(self, make: Callable[[Any], Facts], real: Any) -> Facts:
        """What there is to begin with."""
        facts = make(real)
        self.recording.facts.append(facts)
        return facts

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """The real forge's."""
        passed = {name: value for name, value in headers.items() if name.lower() in ("authorization", "content-type")}
        said = requests.request(
            method, f"{self._upstream}{path}", headers=passed, data=body, timeout=60, allow_redirects=False
        )
        kept = {name: said.headers[name] for name in _KEPT if name in said.headers}
        text = said.text.replace(self._upstream, _ROOT)
        self.recording.exchanges.append(
            {
                **_question(method, path, headers, body),
                "status": said.status_code,
                "headers": {name: value.replace(self._upstream, _ROOT) for name, value in kept.items()},
                **({"answer": _cleaned(json.loads(text))} if text[:1] in ("{", "[", "n") else {}),
            }
        )
        return said.status_code, kept, said.content


class Player:
    """The forge of a recording."""

    def __init__(self, name: str) -> None:
        self.recording = Recording.load(name)
        self._facts = iter(self.recording.facts)
        self._rest = list(self.recording.exchanges)

    def given(self, _make: Callable[[Any], Facts], _real: Any) -> Facts:
        """What there was."""
        return next(self._facts)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """What was answered to this question, which must be the next one."""
        asked, played = _question(method, path, headers, body), self._rest.pop(0) if self._rest else {}
        if any(played.get(key) != value for key, value in asked.items()):
            return 599, {}, json.dumps({"message": f"not recorded: {asked}"}).encode()
        content = json.dumps(played["answer"]).encode() if "answer" in played else b""
        return played["status"], played["headers"], content

    def finish(self) -> None:
        """Everything that was recorded was asked."""
        assert not self._rest, f"not asked any more: {self._rest[0]['asked']}"


class Served(HttpServer):
    """A recorder or player as a server."""

    def __init__(self, behind: Recorder | Player) -> None:
        self._behind = behind

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Handler,), {"behind": self._behind})


class _Handler(Handler):
    behind: ClassVar[Recorder | Player]

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, headers, content = self.behind.answer(self.command, self.path, dict(self.headers), body)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve


def _question(method: str, path: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    login = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode().partition(":")[0]
    return {"asked": f"{method} {path}", "as": login, "body": _cleaned(json.loads(body)) if body else None}


def _cleaned(value: Any) -> Any:
    """Without what is secret or tedious."""
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {name: one for name, one in value.items() if name not in _TEDIOUS}
    return {name: "redacted" if name in _SECRET and one else _cleaned(one) for name, one in kept.items()}
