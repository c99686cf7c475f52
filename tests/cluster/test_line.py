"""The line on real parts: a push to Gitea ends as a status beside its commit.

Real Gitea, its own signed webhook, the real API, ledger, scaler, Kubernetes, and an agent in a real container.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from raibid.local.repository import SAMPLES

from tests.cluster.demo.hops import Watch
from tests.cluster.node.node import why_not
from tests.cluster.parts.developer import Checkout, Developer, Status
from tests.cluster.pools.pool import Pool
from tests.waiting import until

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.timeout(900),
]

FAILS = {".raibid.yaml": "steps:\n  - name: refuses\n    run: 'echo it does not hold; exit 3'\n"}
HOPS = [
    "webhook → job",
    "Kubernetes Job",
    "container running",
    "claimed",
    "first log line",
    "built",
    "commit status",
]


class World:
    """The pool, somebody who owns the organisation, and a repository with a build that passes."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.ada = pool.line.gitea.developer("ada", owner=True)

    def repository(self, name: str) -> Checkout:
        return self.ada.create(f"raibid/{name}")

    def watch(self, checkout: Checkout, sha: str, event: str = "push") -> Watch:
        """Its statuses are those of the repository that the commit was offered to."""
        return Watch(self.pool, self.ada, checkout.repository, sha, event=event)

    def shown(self, checkout: Checkout, sha: str, event: str = "push") -> list[str]:
        """Push, and the names of the hops that followed, in order."""
        watch = self.watch(checkout, sha, event)
        checkout.push()
        return [watch.until_enqueued().name, *(hop.name for hop in watch.until_shown())]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Pool(tmp_path_factory.mktemp("line"), scaler="keda") as pool:
        yield World(pool)


def test_a_push_is_built_by_an_agent_that_keda_started_and_its_commit_says_so(world: World) -> None:
    anvil = world.repository("anvil")
    sha = anvil.commit(SAMPLES / "python", "The first one")
    assert world.shown(anvil, sha) == [*HOPS, "badge"]
    (status,) = world.ada.statuses(anvil.repository, sha)
    assert (status.context, status.state) == ("raibid", "success")
    assert status.url.startswith(world.pool.line.url)


def test_a_build_that_fails_says_failure_beside_its_commit_and_on_the_badge(world: World) -> None:
    broken = world.repository("broken")
    sha = broken.commit(FAILS, "Break it")
    assert world.shown(broken, sha) == [*HOPS, "badge"]
    (status,) = world.ada.statuses(broken.repository, sha)
    assert (status.state, "refuses" in status.description) == ("failure", True)


def test_a_pull_request_of_the_repository_itself_is_built_without_asking(world: World) -> None:
    hinge = world.repository("hinge")
    hinge.commit(SAMPLES / "python", "The first one")
    hinge.push()
    sha = hinge.commit({"notes": "more\n"}, "Offer it", branch="offer")
    hinge.push("offer")
    watch = world.watch(hinge, sha, "pull_request")
    world.ada.pull_request(hinge.repository, "offer", "Take it")
    assert watch.until_enqueued().detail.endswith("queued")
    assert [hop.name for hop in watch.until_shown()] == HOPS[1:]
    assert [one.state for one in watch.statuses() if one.context == "raibid/pr"] == ["success"]


def test_a_pull_request_of_a_fork_waits_for_approval_and_is_then_built(world: World) -> None:
    gate = world.repository("gate")
    gate.commit(SAMPLES / "python", "The first one")
    gate.push()
    stranger = world.pool.line.gitea.developer("mallory")
    read(world.ada, gate.repository, stranger.name)
    fork = stranger.fork(gate.repository)
    sha = fork.commit({"notes": "mine\n"}, "From outside", branch="gift")
    watch = world.watch(gate, sha, "pull_request")
    fork.push("gift")
    stranger.pull_request(gate.repository, f"{stranger.name}:gift", "A gift")
    assert watch.until_held().detail == fork.repository
    until(lambda: [one for one in watch.statuses() if "approval" in one.description], "its status says so")
    watch.approve()
    assert [hop.name for hop in watch.until_shown()] == HOPS[1:]
    assert state(watch.statuses(), "raibid/pr") == "success"


def test_the_controller_starts_the_same_agents_without_keda(tmp_path_factory: pytest.TempPathFactory) -> None:
    # Not tmp_path, which has the test's name in it: a socket's path may have 104 characters.
    with Pool(tmp_path_factory.mktemp("direct"), scaler="direct") as pool:
        world = World(pool)
        anvil = world.repository("anvil")
        sha = anvil.commit(SAMPLES / "python", "The first one")
        assert world.shown(anvil, sha) == [*HOPS, "badge"]
        assert state(world.ada.statuses(anvil.repository, sha), "raibid") == "success"


def read(owner: Developer, repository: str, name: str) -> None:
    """Let somebody see a private repository."""
    owner.api.call("PUT", f"/repos/{repository}/collaborators/{name}", {"permission": "read"})


def state(statuses: list[Status], context: str) -> str:
    (found,) = [one.state for one in statuses if one.context == context]
    return found
