"""Every delivery of a real Gitea is lost, and every head is built once all the same, within a period."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from raibid.api.settings import Settings
from raibid.contract import Env
from raibid.ledger import Ledger
from raibid.local.redis_server import RedisServer
from raibid.model.job import Job, JobStatus

from components.api import STATUS_LABEL, STATUS_USER, WEBHOOK_LABEL
from components.secret_values import deriver
from components.settings import load_stack
from tests.api.conftest import READ, WRITE, Api, served
from tests.cluster.parts.developer import Checkout, Developer
from tests.cluster.parts.gitea_server import Gitea
from tests.cluster.tree.emitted import SEED
from tests.http_server import HttpServer
from tests.waiting import until

SETTINGS = load_stack("dgx-spark")
ORGANISATION = SETTINGS.gitea.organisation
PERIOD = 0.5
derive = deriver(SEED, SETTINGS.rotation)


@dataclass
class LostDeliveries(HttpServer):
    """Where Gitea's hooks lead: nothing that arrives goes any further, until the test delivers it late."""

    lost: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Bound", (_Hook,), {"deliveries": self})

    @property
    def url(self) -> str:
        return f"{super().url}/webhook/gitea"

    def deliver(self, api: Api, sha: str) -> list[httpx.Response]:
        """What was lost about a commit, delivered after all, as Gitea signed it."""
        about = [(headers, body) for headers, body in self.lost if sha.encode() in body]
        return [api.anonymous.post("/webhook/gitea", content=body, headers=headers) for headers, body in about]


class _Hook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    deliveries: ClassVar[LostDeliveries]

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kept = {name: value for name, value in self.headers.items() if name.lower().startswith(("x-", "content-type"))}
        self.deliveries.lost.append((kept, body))
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def deliveries() -> Iterator[LostDeliveries]:
    with LostDeliveries() as deliveries:
        yield deliveries


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, deliveries: LostDeliveries) -> Iterator[Gitea]:
    with Gitea(tmp_path_factory.mktemp("gitea"), SETTINGS, derive) as server:
        server.set_up(deliveries.url)
        yield server


@pytest.fixture(scope="module")
def ada(server: Gitea) -> Developer:
    return server.developer("ada", owner=True)


@pytest.fixture(scope="module")
def pool(
    redis_server: RedisServer, server: Gitea, ada: Developer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pool]:
    """An API that has seen the forge as it was: one repository with one commit."""
    place = tmp_path_factory.mktemp("api")
    old = ada.create(f"{ORGANISATION}/old")
    old.commit({"README.md": "# it\n"}, "Long ago")
    old.push()
    until(lambda: not ada.api.call("GET", f"/repos/{old.repository}")["empty"], "the first push is noted")
    ledger = Ledger.connect(redis_server.url, stream=f"t-{secrets.token_hex(6)}")
    ledger.setup()
    with ExitStack() as stack:
        stack.callback(ledger.close)
        api = stack.enter_context(served(settings(place, server), ledger))
        pool = Pool(api, ledger)
        pool.rounds(1)
        yield pool


def settings(place: Path, server: Gitea) -> Settings:
    files = {
        "webhook_secrets_file": derive(WEBHOOK_LABEL),
        "read_tokens_file": READ,
        "write_tokens_file": WRITE,
        "forge_credentials_file": f"http://{STATUS_USER}:{derive(STATUS_LABEL)}@{server.address}",
    }
    for name, content in files.items():
        (place / name).write_text(f"{content}\n")
    return Settings(
        **{name: place / name for name in files},  # type: ignore[arg-type]
        store=f"file://{place}/store",
        gitea_url=server.url,
        reconcile_seconds=PERIOD,
        tick_seconds=0.2,
        status_seconds=3600,
    )


@dataclass
class Pool:
    """What people see of the API."""

    api: Api
    ledger: Ledger

    def rounds(self, count: int) -> None:
        """So many more periods have passed."""
        done = self.api.reader.get("/reconcile").json()["round"]
        until(lambda: self.api.reader.get("/reconcile").json()["round"] >= done + count, "the periods pass", 60.0)

    def jobs(self, repository: str) -> list[Job]:
        return [job for job in self.ledger.records.page(limit=500).jobs if job.spec.repo == repository]

    def built(self, repository: str) -> Counter[tuple[str, str]]:
        """How often each ref was built at each commit."""
        return Counter((job.spec.ref, job.spec.sha) for job in self.jobs(repository))

    def builds(self, repository: str, ref: str, sha: str) -> Job:
        """The one job of a head, as soon as there is one."""
        until(lambda: (ref, sha) in self.built(repository), f"{repository} {ref} is built at {sha}")
        [job] = [job for job in self.jobs(repository) if (job.spec.ref, job.spec.sha) == (ref, sha)]
        return job


Make = Callable[[str], Checkout]


@pytest.fixture(scope="module")
def make(ada: Developer) -> Make:
    return partial(_make, ada)


def _make(ada: Developer, name: str) -> Checkout:
    """A new repository of the organisation, with a first commit on main."""
    made = ada.create(f"{ORGANISATION}/{name}")
    made.commit({"README.md": "# it\n"}, "The first one")
    made.push()
    return made


def test_what_was_there_before_the_pool_is_not_built_and_its_next_push_is(pool: Pool, ada: Developer) -> None:
    old = ada.checkout(f"{ORGANISATION}/old")
    assert not pool.jobs(old.repository)
    sha = old.commit({"README.md": "# more\n"}, "At last")
    old.push()
    job = pool.builds(old.repository, "refs/heads/main", sha)
    assert (job.spec.found_by, job.spec.message) == ("reconciler", "At last")


def test_every_head_of_a_new_repository_is_built_once_though_all_deliveries_are_lost(
    pool: Pool, make: Make, deliveries: LostDeliveries
) -> None:
    made = make("lossy")
    heads = {"refs/heads/main": made.git("rev-parse", "HEAD")}
    for branch in ("release/1.0", "side", "wëird-ñame"):
        heads[f"refs/heads/{branch}"] = made.commit({f"{branch}.txt": "x\n"}, f"On {branch}", branch=branch)
        made.push(branch)
    for ref, sha in heads.items():
        pool.builds(made.repository, ref, sha)
    moved = made.commit({"more.txt": "x\n"}, "More", branch="side")
    made.push("side")
    pool.builds(made.repository, "refs/heads/side", moved)
    made.git("reset", "--quiet", "--hard", "HEAD~1")
    undone = made.commit({"other.txt": "x\n"}, "Rather this", branch="side")
    made.push("side")
    pool.builds(made.repository, "refs/heads/side", undone)
    made.git("push", "--quiet", "origin", "--delete", "release/1.0")
    pool.rounds(3)
    assert set(pool.built(made.repository).values()) == {1}
    assert len(pool.built(made.repository)) == len(heads) + 2
    until(lambda: any(undone.encode() in body for _, body in deliveries.lost), "Gitea has tried to deliver it")
    late = [answer for sha in (*heads.values(), moved, undone) for answer in deliveries.deliver(pool.api, sha)]
    assert [answer.status_code for answer in late] == [200] * len(late)
    assert not any(answer.json().get("created") for answer in late), "a late delivery finds the job"
    assert set(pool.built(made.repository).values()) == {1}


def test_a_pull_request_and_one_from_a_fork_are_built_like_their_webhooks_would(
    pool: Pool, make: Make, server: Gitea
) -> None:
    made = make("offered")
    sha = made.commit({"offer.txt": "x\n"}, "Offer it", branch="offer")
    made.push("offer")
    number = made.owner.pull_request(made.repository, "offer", "Take it")
    ours = pool.builds(made.repository, f"refs/pull/{number}/head", sha)
    assert (ours.status is JobStatus.HELD, ours.spec.changed, ours.spec.found_by) == (
        False,
        ("offer.txt",),
        "reconciler",
    )
    stranger = server.developer("mallory")
    made.owner.api.call("PUT", f"/repos/{made.repository}/collaborators/mallory", {"permission": "read"})
    fork = stranger.fork(made.repository)
    gift = fork.commit({"gift.txt": "mine\n"}, "From outside", branch="gift")
    fork.push("gift")
    number = stranger.pull_request(made.repository, "mallory:gift", "A gift")
    theirs = pool.builds(made.repository, f"refs/pull/{number}/head", gift)
    assert (theirs.status, theirs.spec.fork) == (JobStatus.HELD, fork.repository)


def test_a_message_that_says_to_skip_is_heeded_without_its_webhook(pool: Pool, make: Make) -> None:
    made = make("quiet")
    pool.builds(made.repository, "refs/heads/main", made.git("rev-parse", "HEAD"))
    made.commit({"a.txt": "x\n"}, "Only words [skip ci]")
    made.push()
    pool.rounds(2)
    assert len(pool.jobs(made.repository)) == 1


def test_a_renamed_repository_is_not_built_anew(pool: Pool, make: Make) -> None:
    made = make("named")
    pool.builds(made.repository, "refs/heads/main", made.git("rev-parse", "HEAD"))
    made.owner.api.call("PATCH", f"/repos/{made.repository}", {"name": "renamed"})
    pool.rounds(3)
    assert not pool.jobs(f"{ORGANISATION}/renamed")


def test_heads_pushed_while_gitea_was_away_from_the_pool_are_built_after_it_returned(
    pool: Pool, make: Make, server: Gitea
) -> None:
    made = make("patient")
    pool.builds(made.repository, "refs/heads/main", made.git("rev-parse", "HEAD"))
    sha = made.commit({"a.txt": "x\n"}, "Meanwhile")
    made.push()
    server.stop()
    until(lambda: pool.api.reader.get("/reconcile").json()["forges"][0]["errors"], "a round finds Gitea away", 60.0)
    server.start()
    pool.builds(made.repository, "refs/heads/main", sha)
    assert set(pool.built(made.repository).values()) == {1}


def test_the_command_has_it_looked_at_now(pool: Pool, make: Make) -> None:
    made = make("wanted")
    sha = made.git("rev-parse", "HEAD")
    home = f"/repos/{made.repository}"  # Gitea notes a first push a moment after git is done
    until(lambda: not made.owner.api.call("GET", home)["empty"], "the push is noted")
    until(lambda: made.owner.api.call("GET", f"{home}/branches"), "its branch, too")
    environment = {**os.environ, Env.API_URL: pool.api.url, Env.TOKEN: WRITE, "NO_COLOR": "1"}
    said = [
        subprocess.run(
            [sys.executable, "-m", "raibid.cli", "reconcile", *arguments],
            env=environment, capture_output=True, text=True, check=True, timeout=120,
        ).stdout
        for arguments in ([made.repository], [], ["--last"])
    ]  # fmt: skip
    assert pool.builds(made.repository, "refs/heads/main", sha).spec.found_by == "reconciler"
    assert f"{made.repository} at gitea: heads 1" in said[0]
    assert all(sha[:12] in report for report in said[1:]), "what was healed is shown"
