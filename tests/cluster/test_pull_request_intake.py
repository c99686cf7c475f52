"""A real Gitea tells the real API of pushes and pull requests: what they change, who is let in, what is called off.

Gitea tells its hooks of one another's events in no order, so every test has a repository of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest
from raibid.api.settings import Settings
from raibid.forge.gitea import GiteaClient
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
from tests.waiting import until

SETTINGS = load_stack("dgx-spark")
ORGANISATION = SETTINGS.gitea.organisation
derive = deriver(SEED, SETTINGS.rotation)
GOES_ON = (JobStatus.QUEUED, JobStatus.WAITING)
Make = Callable[[str], Checkout]


class CopyingGitea(Gitea):
    """One that may mirror its own repositories, which are at a private address."""

    def _differences(self, emitted: Mapping[str, str]) -> dict[str, str]:
        return {**super()._differences(emitted), "GITEA__migrations__ALLOW_LOCALNETWORKS": "true"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    with CopyingGitea(tmp_path_factory.mktemp("gitea"), SETTINGS, derive) as server:
        server.set_up("http://127.0.0.1:9/nobody-listens")
        yield server


@pytest.fixture(scope="module")
def ada(server: Gitea) -> Developer:
    """An owner: she administers every repository."""
    return server.developer("ada", owner=True)


@pytest.fixture(scope="module")
def eve(server: Gitea) -> Developer:
    """Somebody who may read what she is let in to."""
    return server.developer("eve")


@pytest.fixture(scope="module")
def api(redis_server: RedisServer, server: Gitea, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API that builds changes of `src/` only, and asks as the stack's does."""
    place = tmp_path_factory.mktemp("api")
    (place / "enrolment_file").write_text("default: {paths: ['src/**']}\n")
    files = {
        "webhook_secrets_file": derive(WEBHOOK_LABEL),
        "read_tokens_file": READ,
        "write_tokens_file": WRITE,
        "forge_credentials_file": f"http://{STATUS_USER}:{derive(STATUS_LABEL)}@{server.address}",
    }
    for name, content in files.items():
        (place / name).write_text(f"{content}\n")
    settings = Settings(
        **{name: place / name for name in (*files, "enrolment_file")},  # type: ignore[arg-type]
        store=f"file://{place}/store",
        gitea_url=server.url,
        tick_seconds=3600,
        status_seconds=0.1,
        reconcile_seconds=3600,
    )
    ledger = Ledger.connect(redis_server.url, stream=f"t-{secrets.token_hex(6)}")
    ledger.setup()
    with ExitStack() as stack:
        stack.callback(ledger.close)
        yield stack.enter_context(served(settings, ledger))


@pytest.fixture(scope="module")
def make(ada: Developer, api: Api) -> Make:
    """A new repository with a first commit, whose hook tells the API of all there is."""

    def make(name: str) -> Checkout:
        made = ada.create(f"{ORGANISATION}/{name}")
        made.commit({"README.md": "# it\n"}, "The first one")
        made.push()
        until(lambda: not ada.api.call("GET", f"/repos/{made.repository}")["empty"], "the first push is noted")
        config = {"url": f"{api.url}/webhook/gitea", "content_type": "json", "secret": derive(WEBHOOK_LABEL)}
        events = ["push", "pull_request_only", "pull_request_sync", "pull_request_review"]
        hook = {"type": "gitea", "active": True, "config": config, "events": events}
        ada.api.call("POST", f"/repos/{made.repository}/hooks", hook)
        return made

    return make


def jobs(api: Api, made: Checkout, event: str = "pull_request") -> dict[str, Job]:
    """The repository's newest job of each commit."""
    page = api.ledger.records.page(repo=made.repository, limit=100)
    return {job.spec.sha: job for job in reversed(page.jobs) if job.spec.event == event}


def skipped(api: Api) -> float:
    labels = {"forge": "gitea", "outcome": "skipped"}
    return api.parts.metrics.registry.get_sample_value("raibid_webhooks_total", labels) or 0.0


def offered(made: Checkout, files: dict[str, str], message: str, branch: str) -> str:
    """A pull request of the same repository; its head."""
    made.git("checkout", "--quiet", "main")
    sha = made.commit(files, message, branch=branch)
    made.push(branch)
    made.owner.pull_request(made.repository, branch, f"Take {branch}")
    return sha


def test_path_filters_and_skip_ci_mean_what_a_pull_request_really_holds(api: Api, make: Make) -> None:
    made = make("filtered")
    before = skipped(api)
    docs = offered(made, {"docs/a.md": "a\n"}, "Docs", "docs")
    quiet = offered(made, {"src/quiet.rs": "\n"}, "Quiet\n\n[CI SKIP]", "quiet")
    # Each branch's push and each pull request: four deliveries that come to nothing.
    until(lambda: skipped(api) == before + 4, "both are skipped, as pushes too")
    code = offered(made, {"src/a.rs": "\n", "docs/b.md": "b\n"}, "Code", "code")
    until(lambda: code in jobs(api, made), "the code is built")
    assert jobs(api, made)[code].spec.changed == ("docs/b.md", "src/a.rs")
    assert not {docs, quiet} & set(jobs(api, made))


def test_a_push_of_more_commits_than_gitea_lists_changes_what_all_of_them_change(api: Api, make: Make) -> None:
    made = make("long")
    made.commit({"src/first.rs": "\n"}, "The only code")
    for number in range(8):
        made.commit({f"docs/{number}.md": "\n"}, f"Docs {number}")
    made.push()
    head = made.git("rev-parse", "HEAD")
    until(lambda: head in jobs(api, made, "push"), "the push is built")
    changed = jobs(api, made, "push")[head].spec.changed
    assert changed == (*(f"docs/{number}.md" for number in range(8)), "src/first.rs")


def forked(made: Checkout, who: Developer, permission: str) -> Checkout:
    made.owner.api.call("PUT", f"/repos/{made.repository}/collaborators/{who.name}", {"permission": permission})
    return who.fork(made.repository)


def offer(fork: Checkout, made: Checkout, text: str) -> str:
    sha = fork.commit({"src/gift.rs": text}, "A gift", branch="gift")
    fork.push("gift")
    return sha


def state(api: Api, made: Checkout, sha: str) -> JobStatus | None:
    job = jobs(api, made).get(sha)
    return job.status if job else None


def test_a_fork_of_somebody_who_may_push_is_let_in_by_name(api: Api, make: Make, server: Gitea) -> None:
    made, bob = make("trusting"), server.developer("bob")
    # Gitea says who may push to the repository's administrators alone.
    made.owner.api.call("PUT", f"/repos/{made.repository}/collaborators/{STATUS_USER}", {"permission": "admin"})
    fork = forked(made, bob, "write")
    sha = offer(fork, made, "fn gift() {}\n")
    bob.pull_request(made.repository, "bob:gift", "A gift")
    until(lambda: state(api, made, sha) in GOES_ON, "he is let in")
    assert jobs(api, made)[sha].approved_by == "bob, who may push"

    def shown() -> str:
        return " ".join(one.description for one in made.owner.statuses(made.repository, sha))

    until(lambda: shown().endswith("approved by bob, who may push"), "Gitea shows by whom")


def test_a_strangers_fork_waits_for_a_review_of_exactly_that_commit(api: Api, make: Make, eve: Developer) -> None:
    made = make("reviewed")
    fork = forked(made, eve, "read")
    first = offer(fork, made, "fn first() {}\n")
    number = eve.pull_request(made.repository, "eve:gift", "A gift")
    until(lambda: state(api, made, first) is JobStatus.HELD, "hers is held")
    second = offer(fork, made, "fn second() {}\n")
    until(lambda: state(api, made, second) is JobStatus.HELD, "the next one is held too")
    assert state(api, made, first) is JobStatus.CANCELLED, "superseded"

    def approve(sha: str) -> None:
        review = {"event": "APPROVED", "body": "Good.", "commit_id": sha}
        made.owner.api.call("POST", f"/repos/{made.repository}/pulls/{number}/reviews", review)

    def left() -> float:
        labels = {"forge": "gitea", "outcome": "left"}
        return api.parts.metrics.registry.get_sample_value("raibid_approvals_total", labels) or 0.0

    asked = until(left, "she was asked about")
    approve(first)
    until(lambda: left() > asked, "Gitea told of the review")
    assert state(api, made, second) is JobStatus.HELD, "that was another commit"
    approve(second)
    until(lambda: state(api, made, second) in GOES_ON, "reviewed")
    assert jobs(api, made)[second].approved_by == "ada's review"


def test_what_a_reader_pushes_for_review_without_a_fork_is_held(api: Api, make: Make, eve: Developer) -> None:
    made = make("agit")
    made.owner.api.call("PUT", f"/repos/{made.repository}/collaborators/{eve.name}", {"permission": "read"})
    hers = eve.checkout(made.repository)
    sha = hers.commit({"src/gift.rs": "fn gift() {}\n"}, "A gift")
    hers.git("push", "--quiet", "origin", "HEAD:refs/for/main/gift")
    until(lambda: state(api, made, sha) is not None, "Gitea told of it")
    assert state(api, made, sha) is JobStatus.HELD
    credentials = api.parts.settings.forge_credentials_file
    assert credentials is not None
    with GiteaClient.connect(made.owner.api.url, credentials) as client:
        [found] = client.pulls(made.repository)
    assert (found.sha, bool(found.fork)) == (sha, True), "nor does the reconciler take it for a branch"


def test_closing_calls_a_build_off_and_opening_again_builds_it(api: Api, make: Make) -> None:
    made = make("closing")
    sha = offered(made, {"src/a.rs": "\n"}, "Code", "code")
    until(lambda: state(api, made, sha) in GOES_ON, "it is built")
    first = jobs(api, made)[sha].id
    pull = f"/repos/{made.repository}/pulls/1"
    made.owner.api.call("PATCH", pull, {"state": "closed"})
    until(lambda: state(api, made, sha) is JobStatus.CANCELLED, "called off")
    made.owner.api.call("PATCH", pull, {"state": "open"})
    until(lambda: state(api, made, sha) in GOES_ON, "built again")
    assert jobs(api, made)[sha].retry_of == first


def test_a_mirror_is_not_built(api: Api, make: Make, ada: Developer, server: Gitea) -> None:
    source = make("source")
    body = {
        "clone_addr": f"{server.url}/{source.repository}.git", "repo_owner": ORGANISATION, "repo_name": "copy",
        "mirror": True, "private": False, "auth_username": "ada",
        "auth_password": ada.api.login.password.get_secret_value(),
    }  # fmt: skip
    ada.api.call("POST", "/repos/migrate", body)
    config = {"url": f"{api.url}/webhook/gitea", "content_type": "json", "secret": derive(WEBHOOK_LABEL)}
    hook = {"type": "gitea", "active": True, "config": config, "events": ["push"]}
    ada.api.call("POST", f"/repos/{ORGANISATION}/copy/hooks", hook)
    before = skipped(api)
    sha = source.commit({"src/a.rs": "\n"}, "Code")
    source.push()
    until(lambda: sha in jobs(api, source, "push"), "the source is built")
    ada.api.call("POST", f"/repos/{ORGANISATION}/copy/mirror-sync")
    until(lambda: skipped(api) > before, "Gitea told of the copy's new commit")
    assert not api.ledger.records.page(repo=f"{ORGANISATION}/copy").jobs
