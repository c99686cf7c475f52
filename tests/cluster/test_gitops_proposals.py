"""Push or pull request on the real Gitea: what a protected branch takes, and that the same change is proposed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.fence import git_for
from raibid.gitops.change.landing import Landed
from raibid.gitops.change.message import message
from raibid.gitops.change.policy import deliver
from raibid.gitops.change.pull_request import Proposal
from raibid.gitops.change.trailers import BY, OBJECT
from raibid.gitops.errors import PushRefusedError
from raibid.gitops.settings import GitopsSettings, Policy

from components.secret_values import deriver
from components.settings import load_stack
from tests.cluster.parts.developer import Developer
from tests.cluster.parts.gitea_server import Gitea
from tests.cluster.tree.emitted import SEED
from tests.waiting import until

SETTINGS = load_stack("dgx-spark")
derive = deriver(SEED, SETTINGS.rotation)
BRANCH = "raibid/deployment-web-replicas-123456"
Deliver = Callable[..., Landed | None]


@pytest.fixture(scope="module")
def gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    with Gitea(tmp_path_factory.mktemp("gitea"), SETTINGS, derive) as running:
        running.set_up("http://127.0.0.1:9/nobody")
        yield running


@pytest.fixture(scope="module")
def people(gitea: Gitea) -> tuple[Developer, Developer]:
    """ada owns the repositories; operator is who `raibid gitops` is."""
    return gitea.developer("ada", owner=True), gitea.developer("operator")


@pytest.fixture
def fleet(people: tuple[Developer, Developer], request: pytest.FixtureRequest) -> str:
    """A repository of one file that the operator may write to."""
    ada, operator = people
    made = ada.create(f"{SETTINGS.gitea.organisation}/{request.node.name[:40].replace('[', '').replace(']', '')}")
    made.commit({"web.yaml": "replicas: 1\n"}, "first")
    made.push()
    path = f"/repos/{made.repository}"
    until(lambda: not ada.api.call("GET", path)["empty"], "Gitea has noticed the first push")
    ada.api.call("PUT", f"{path}/collaborators/{operator.name}", {"permission": "write"})
    return made.repository


@pytest.fixture
def run(gitea: Gitea, people: tuple[Developer, Developer], fleet: str, tmp_path: Path) -> Deliver:
    clones = iter(range(9))
    operator = people[1]
    credentials = tmp_path / "credentials"
    password = operator.api.login.password.get_secret_value()
    credentials.write_text(f"http://{operator.name}:{password}@{urlsplit(gitea.url).netloc}\n")

    def deliver_(replicas: int, policy: Policy = Policy.AUTO, *, once: bool = False) -> Landed | None:
        git = git_for(GitopsSettings(), credentials)
        checkout = Checkout.open(f"{gitea.url}/{fleet}.git", "main", tmp_path / f"work{next(clones)}", git)

        def make(there: Checkout) -> str | None:
            there.write({"web.yaml": f"replicas: {replicas}\n".encode()})
            return there.commit(message(f"replicas: {replicas}", "", {OBJECT: "Deployment/apps/web", BY: "a test"}))

        said = Proposal(branch=BRANCH, title=f"replicas: {replicas}", body="Why: a test.", once=once)
        return deliver(checkout, make, policy=policy, proposal=said, credentials=credentials)

    return deliver_


def protect(people: tuple[Developer, Developer], fleet: str, *writers: str) -> None:
    rule = {"rule_name": "main", "enable_push": bool(writers), "enable_push_whitelist": True}
    body = {**rule, "push_whitelist_usernames": list(writers)}
    people[0].api.call("POST", f"/repos/{fleet}/branch_protections", body)


def newest(people: tuple[Developer, Developer], fleet: str) -> str:
    return str(people[0].api.call("GET", f"/repos/{fleet}/branches/main")["commit"]["id"])


def test_a_branch_that_takes_our_push_gets_it(people: tuple[Developer, Developer], fleet: str, run: Deliver) -> None:
    landed = run(2)
    assert landed is not None
    assert (landed.branch, landed.pull) == ("main", 0)
    until(lambda: newest(people, fleet) == landed.sha, "the commit is on main")


def test_a_protected_branch_that_lists_us_gets_a_push(
    people: tuple[Developer, Developer], fleet: str, run: Deliver
) -> None:
    protect(people, fleet, "operator")
    landed = run(2)
    assert landed is not None
    assert landed.branch == "main"


def test_a_protected_branch_gets_one_pull_request_that_follows_our_wish(
    people: tuple[Developer, Developer], fleet: str, run: Deliver
) -> None:
    protect(people, fleet)
    before = newest(people, fleet)
    first, again, other = run(2), run(2), run(3)
    assert first is not None
    assert other is not None
    assert first == again
    assert (first.branch, first.pull, other.pull) == (BRANCH, 1, 1)
    pull = people[0].api.call("GET", f"/repos/{fleet}/pulls/1")
    assert (pull["title"], pull["html_url"]) == ("replicas: 3", other.url)
    assert "+replicas: 3" in pull["body"]
    assert newest(people, fleet) == before


def closed(people: tuple[Developer, Developer], fleet: str) -> None:
    people[0].api.call("PATCH", f"/repos/{fleet}/pulls/1", {"state": "closed"})


def test_a_pull_request_that_was_closed_is_left_alone(
    people: tuple[Developer, Developer], fleet: str, run: Deliver
) -> None:
    first = run(2, Policy.PULL_REQUEST, once=True)
    closed(people, fleet)
    second = run(3, Policy.PULL_REQUEST, once=True)
    assert first is not None
    assert second is not None
    assert (second.declined, second.pull, second.url) == (True, 1, first.url)
    assert [pull["state"] for pull in people[0].api.call("GET", f"/repos/{fleet}/pulls?state=all")] == ["closed"]


def test_whoever_asks_again_after_a_pull_request_was_closed_gets_another_one(
    people: tuple[Developer, Developer], fleet: str, run: Deliver
) -> None:
    run(2, Policy.PULL_REQUEST)
    closed(people, fleet)
    landed = run(2, Policy.PULL_REQUEST)
    assert landed is not None
    assert (landed.declined, landed.pull) == (False, 2)


def test_a_pull_request_that_was_merged_is_no_refusal(
    people: tuple[Developer, Developer], fleet: str, run: Deliver
) -> None:
    run(2, Policy.PULL_REQUEST, once=True)
    path = f"/repos/{fleet}/pulls/1"
    until(lambda: people[0].api.call("GET", path)["mergeable"], "Gitea has looked at the pull request")
    people[0].api.call("POST", f"{path}/merge", {"Do": "merge"})
    landed = run(3, Policy.PULL_REQUEST, once=True)
    assert landed is not None
    assert (landed.declined, landed.pull) == (False, 2)


def test_a_push_to_a_protected_branch_is_refused_in_giteas_words(
    people: tuple[Developer, Developer], fleet: str, run: Deliver
) -> None:
    protect(people, fleet)
    with pytest.raises(PushRefusedError, match="Not allowed to push to protected branch main"):
        run(2, Policy.PUSH)


def test_who_may_only_read_is_refused_and_not_raced(
    people: tuple[Developer, Developer], fleet: str, run: Deliver
) -> None:
    people[0].api.call("PUT", f"/repos/{fleet}/collaborators/operator", {"permission": "read"})
    with pytest.raises(PushRefusedError):
        run(2, Policy.PUSH)
