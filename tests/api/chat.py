"""A chat that takes apprise's `json://` messages over real HTTP, and the line from the ledger to such chats."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

from raibid.api.archive import Archive
from raibid.api.metrics import Metrics
from raibid.api.notifications import Notifications
from raibid.api.patience import Patience
from raibid.forge import Enrolment
from raibid.ledger import Ledger
from raibid.model.job import JobStatus
from raibid.store import open_store

from tests.api.conftest import end, enqueue
from tests.http_server import HttpServer

SECRET = "T0kenOfTheChat"
"""In each target's URL."""
_BUILDS = count()


@dataclass
class Chat(HttpServer):
    """Keeps what rooms were told: `json://…/<secret>/<room>`."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    ill: set[str] = field(default_factory=set)
    """Rooms that answer 500."""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Handler,), {"chat": self})

    def room(self, room: str) -> str:
        return f"json://127.0.0.1:{self.port}/{SECRET}/{room}"

    def titles(self, room: str = "team") -> list[str]:
        return [m["title"] for m in self.messages if m["room"] == room]


class _Handler(BaseHTTPRequestHandler):
    chat: ClassVar[Chat]

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        room = self.path.rpartition("/")[2]
        self.chat.asked.append(room)
        ill = room in self.chat.ill
        if not ill:
            self.chat.messages.append({**body, "room": room})
        self.send_response(500 if ill else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@dataclass
class News:
    """What one API process after another tells people; both clocks are the test's."""

    ledger: Ledger
    chat: Chat
    place: Path
    rules: Mapping[str, Any]
    """The enrolment file."""
    rooms: tuple[str, ...] = ("team",)
    ahead: float = 0.0
    """The wall clock's lead on Redis'."""
    now: float = 0.0
    notifications: Notifications = field(init=False)
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        self.write_targets()
        self.restart()

    @property
    def file(self) -> Path:
        return self.place / "targets.yaml"

    def write_targets(self) -> None:
        self.file.write_text("".join(f"{room}: {self.chat.room(room)}\n" for room in self.rooms))

    @property
    def archive(self) -> Archive:
        return Archive(open_store(f"file://{self.place}/store"))

    def restart(self) -> None:
        """A new API process: it remembers nothing."""
        self.metrics = Metrics(self.ledger.depth)
        self.notifications = Notifications(
            self.ledger,
            self.archive,
            Enrolment.model_validate(self.rules),
            self.metrics,
            file=self.file,
            public_url="https://ci.example.test",
            patience=Patience(5.0, 600.0, lambda: self.now, lambda: 1.0),
            now=lambda: time.time() + self.ahead,
        )

    def round(self) -> int:
        return self.notifications.round()

    def later(self) -> int:
        """A round after every back-off."""
        self.now += 1_000.0
        return self.round()


Make = Callable[..., News]
"""Rules and rooms → the line to them; see the fixture `make_news`."""


def build(ledger: Ledger, outcome: JobStatus = JobStatus.FAILED, **changes: Any) -> str:
    """A job from its push to its end."""
    enqueue(ledger, f"build {next(_BUILDS)}", **changes)
    return end(ledger, outcome)
