"""The real app on a real socket, with a real Redis behind it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from raibid.api.app import create_app
from raibid.api.archive import Archive
from raibid.api.main import Server
from raibid.api.parts import Parts
from raibid.api.settings import Settings
from raibid.forge import sign
from raibid.forge.notify import Ending
from raibid.ledger import Claim, Ledger, NewJob
from raibid.local.redis_server import RedisServer
from raibid.model.job import JobSpec, JobStatus
from raibid.store import open_store

from tests.forge.fake_forge import FakeForge
from tests.waiting import until

if TYPE_CHECKING:
    from tests.api.chat import Chat, News
    from tests.api.reconciled import Pool
    from tests.api.status_line import Line

SECRET = b"webhook-secret-of-the-tests"
READ, WRITE = "read-token-of-the-tests", "write-token-of-the-tests"
PUSH = (Path(__file__).parents[1] / "forge" / "fixtures" / "gitea-push.json").read_bytes()


@dataclass(frozen=True)
class Api:
    """A running API."""

    url: str
    anonymous: httpx.Client
    reader: httpx.Client
    writer: httpx.Client
    ledger: Ledger
    settings: Settings
    server: Server
    thread: threading.Thread

    @property
    def parts(self) -> Parts:
        """What the app is made of."""
        parts: Parts = self.server.app.state.parts
        return parts

    @property
    def archive(self) -> Archive:
        return Archive(open_store(self.settings.store))

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def deliver(
        self, body: bytes = PUSH, *, secret: bytes = SECRET, forge: str = "gitea", event: str = "push", **headers: str
    ) -> httpx.Response:
        """A signed webhook delivery."""
        given = httpx.Headers({"Content-Type": "application/json", f"X-{forge}-Event": event, **sign(body, secret)})
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self.anonymous.post(f"/webhook/{forge}", content=body, headers=given)

    def stop(self) -> None:
        """What SIGTERM does."""
        self.server.should_exit = True
        self.thread.join(timeout=20)
        assert not self.thread.is_alive(), "the server did not end"


@contextmanager
def served(settings: Settings, ledger: Ledger) -> Iterator[Api]:
    """The app, served until the block ends."""
    server = Server(create_app(settings, ledger, open_store(settings.store)), log_level="warning")
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until(lambda: server.started)

    def client(token: str = "") -> httpx.Client:
        return httpx.Client(base_url=url, timeout=20, headers={"Authorization": f"Bearer {token}"} if token else {})

    api = Api(url, client(), client(READ), client(WRITE), ledger, settings, server, thread)
    try:
        yield api
    finally:
        for each in (api.anonymous, api.reader, api.writer):
            each.close()
        api.stop()


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings with the tests' secrets; the background is quiet (a tick per hour), badges are not kept."""

    def make(**changes: Any) -> Settings:
        files = {"webhook_secrets_file": SECRET, "read_tokens_file": READ.encode(), "write_tokens_file": WRITE.encode()}
        for name, content in files.items():
            (tmp_path / name).write_bytes(content + b"\n")
        paths = {name: tmp_path / name for name in files}
        return Settings(
            **{
                **paths,
                "store": f"file://{tmp_path}/store",
                "tick_seconds": 3600,
                "status_seconds": 3600,
                "badge_seconds": 0,
                **changes,
            }
        )

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


@pytest.fixture
def api(settings: Settings, ledger: Ledger) -> Iterator[Api]:
    with served(settings, ledger) as running:
        yield running


def talk(api: Api, *sent: bytes) -> bytes:
    """Send raw bytes; the answer's first line, for which the connection stays open."""
    with socket.create_connection(api.address, timeout=20) as connection:
        for part in sent:
            connection.sendall(part)
        return connection.makefile("rb").readline()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that a test may break."""
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def own(own_redis: RedisServer, settings: Settings) -> Iterator[Api]:
    """The API on that Redis."""
    ledger = Ledger.connect(own_redis.url)
    ledger.setup()
    with served(settings, ledger) as api:
        yield api
    ledger.close()


SHA = "5" * 40


def spec(**changes: Any) -> JobSpec:
    """A job of acme/anvil."""
    given = {
        "repo": "acme/anvil",
        "clone_url": "https://git.example.test/acme/anvil.git",
        "ref": "refs/heads/main",
        "sha": SHA,
    }
    return JobSpec(**{**given, **changes})


def enqueue(ledger: Ledger, dedupe: str = "one", **changes: Any) -> str:
    """A job in the ledger; its id."""
    [made] = ledger.enqueue([NewJob(spec=spec(**changes), dedupe=dedupe)])
    return made.id


def end(ledger: Ledger, outcome: JobStatus = JobStatus.SUCCESS) -> str:
    """Claim the next job and end it; its id."""
    claim = ledger.claim("agent")
    assert claim is not None
    ledger.finish(claim.job.id, claim.token, outcome)
    return claim.job.id


@pytest.fixture
def claim(ledger: Ledger) -> Claim:
    """A running job."""
    enqueue(ledger)
    claim = ledger.claim("agent")
    assert claim is not None
    return claim


def write(ledger: Ledger, claim: Claim, *chunks: bytes) -> None:
    """Append to the job's log."""
    for chunk in chunks:
        assert ledger.logs.append(claim.job.id, claim.token, chunk, step="test")


def payload(**changes: Any) -> bytes:
    """The fixture's push with top-level changes."""
    return json.dumps({**json.loads(PUSH), **changes}).encode()


@pytest.fixture
def forge() -> Iterator[FakeForge]:
    forge = FakeForge()
    forge.start()
    yield forge
    forge.stop()


@pytest.fixture
def line(ledger: Ledger, forge: FakeForge, tmp_path: Path) -> Line:
    from tests.api.status_line import Line  # it stands on this module

    return Line(ledger, forge, forge.credentials(tmp_path / "forge-credentials"))


@pytest.fixture
def pool(ledger: Ledger) -> Pool:
    """A forge with one repository, which the reconciler has seen."""
    from tests.api.reconciled import ANVIL, Pool  # as above

    pool = Pool(ledger)
    pool.forge.push(ANVIL, "main", "first")
    pool.round()
    assert not pool.built()
    return pool


@pytest.fixture
def chat() -> Iterator[Chat]:
    from tests.api.chat import Chat  # as above

    chat = Chat()
    chat.start()
    yield chat
    chat.stop()


@pytest.fixture
def make_news(ledger: Ledger, chat: Chat, tmp_path: Path) -> Callable[..., News]:
    """A line to rooms; it has looked once, so that it hears of what follows."""
    from tests.api.chat import News  # as above

    def make(rules: Any = None, *, rooms: tuple[str, ...] = ("team",)) -> News:
        rules = rules or [{"on": [str(ending) for ending in Ending], "to": list(rooms)}]
        news = News(ledger, chat, tmp_path, {"default": {"notify": rules}}, rooms)
        news.round()
        return news

    return make
