"""One session: pages, conditional requests, limits and redirects, against a GitHub that enforces its own rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from raibid.forge.answers import AnswerMemory
from raibid.forge.commit_status import CommitState, CommitStatus
from raibid.forge.credentials import login_for
from raibid.forge.errors import (
    ForgeAnswerError,
    ForgeFaultError,
    ForgeForbiddenError,
    ForgeLimitError,
    ForgeMovedError,
    ForgeUnavailableError,
)
from raibid.forge.github import GithubClient
from raibid.forge.rate import RateGate
from raibid.forge.session import Session, _Politely

from tests.forge.fake_forge import FakeForge
from tests.forge.github_fake import FakeGithub, Repository

DONE = CommitStatus(state=CommitState.SUCCESS, context="raibid", description="built in 7 s")


class Named(msgspec.Struct):
    """Of a repository, its name alone."""

    full_name: str


class Clock:
    """Time that passes when it is told to."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(github: FakeGithub, clock: Clock, tmp_path: Path) -> Iterator[GithubClient]:
    file = github.credentials(tmp_path / "credentials")
    with GithubClient.connect(github.url, file, tries=0, gate=RateGate(clock)) as client:
        yield client


# --- conditional requests ----------------------------------------------------------------------------------


def test_what_did_not_change_costs_nothing_of_the_limit(
    client: GithubClient, github: FakeGithub, anvil: Repository
) -> None:
    first = client.heads("acme/anvil")
    left = github.remaining
    assert client.heads("acme/anvil") == first
    assert ([one.status for one in github.answered], github.remaining) == ([200, 304], left)


def test_what_changed_is_told_anew(client: GithubClient, github: FakeGithub, anvil: Repository) -> None:
    client.heads("acme/anvil")
    sha = anvil.commit({"b": "1"})
    assert [head.sha for head in client.heads("acme/anvil")] == [sha]
    assert [one.status for one in github.answered] == [200, 200]


def test_unchanged_pages_lead_on_to_the_next(client: GithubClient, github: FakeGithub) -> None:
    for number in range(250):
        github.repository(f"acme/r{number:03}")
    for _ in range(2):
        assert len(list(client.repositories("acme"))) == 250
    assert [one.status for one in github.answered if "/orgs/" in one.what] == [200, 200, 200, 304, 304, 304]


def test_a_list_that_grows_past_a_full_page_is_told_whole(
    client: GithubClient, github: FakeGithub, anvil: Repository
) -> None:
    anvil.branches |= {f"b{number:03}": anvil.branches["main"] for number in range(99)}
    assert len(client.heads("acme/anvil")) == 100
    anvil.branches["z-new"] = anvil.branches["main"]
    assert len(client.heads("acme/anvil")) == 101
    assert [one.status for one in github.answered] == [200, 304, 200], "the first page is the same, its Link is not"


def test_of_an_answer_only_what_is_looked_at_is_remembered(
    github: FakeGithub, anvil: Repository, tmp_path: Path
) -> None:
    memory, file = AnswerMemory(), github.credentials(tmp_path / "credentials")
    anvil.pull("main", title="Take it", author="ada")
    with GithubClient.connect(github.url, file, memory=memory) as client:
        first = client.pulls("acme/anvil")
        assert client.pulls("acme/anvil") == first
    [kept] = memory._answers.values()
    assert b'"title":"Take it"' in kept.content
    assert b"mirror_url" not in kept.content


def test_the_same_place_asked_for_something_else_is_asked_whole(client: GithubClient, anvil: Repository) -> None:
    client.session.get("/repos/acme/anvil", Named)
    assert client.session.get("/repos/acme/anvil", dict[str, object])["default_branch"] == "main"


def test_clients_of_one_login_may_share_what_they_remember(
    github: FakeGithub, anvil: Repository, tmp_path: Path
) -> None:
    memory, file = AnswerMemory(), github.credentials(tmp_path / "credentials")
    for _ in range(2):
        with GithubClient.connect(github.url, file, memory=memory) as client:
            client.heads("acme/anvil")
    assert [one.status for one in github.answered] == [200, 304]


# --- limits ------------------------------------------------------------------------------------------------


def test_nothing_is_asked_any_more_when_a_twentieth_is_left(
    client: GithubClient, github: FakeGithub, anvil: Repository, clock: Clock
) -> None:
    github.limit, github.remaining, github.reset_in = 100, 7, 60.0
    client.heads("acme/anvil")
    client.repository("acme/anvil")
    asked = len(github.asked)
    with pytest.raises(ForgeLimitError, match="5 of 100 calls are left") as raised:
        client.heads("acme/anvil")
    assert len(github.asked) == asked
    assert 0 < raised.value.retry_after <= 62
    clock.now += 63
    github.remaining = 100
    client.heads("acme/anvil")


def test_what_is_kept_back_from_questions_is_for_statuses(
    client: GithubClient, github: FakeGithub, anvil: Repository
) -> None:
    github.limit, github.remaining = 100, 6
    client.heads("acme/anvil")
    with pytest.raises(ForgeLimitError):
        client.heads("acme/anvil")
    client.set_status("acme/anvil", anvil.branches["main"], DONE)
    assert [one["state"] for one in anvil.statuses] == ["success"]


def test_a_refusal_stops_statuses_as_well(client: GithubClient, github: FakeGithub, anvil: Repository) -> None:
    github.secondary = 30
    for _ in range(2):
        with pytest.raises(ForgeLimitError):
            client.set_status("acme/anvil", anvil.branches["main"], DONE)
    assert len(github.asked) == 1


@pytest.mark.parametrize("status", [403, 429])
def test_a_used_up_limit_says_until_when_and_is_not_asked_twice(
    github: FakeGithub, anvil: Repository, tmp_path: Path, status: int
) -> None:
    client = GithubClient.connect(github.url, github.credentials(tmp_path / "credentials"))
    github.remaining, github.reset_in, github.limit_status = 0, 600.0, status
    with client, pytest.raises(ForgeLimitError, match="rate limit exceeded") as raised:
        client.heads("acme/anvil")
    assert 0 < raised.value.retry_after <= 602
    assert len(github.asked) == 1


@pytest.mark.parametrize("status", [403, 429])
def test_a_secondary_limit_is_obeyed_by_all_clients_of_the_login(
    github: FakeGithub, anvil: Repository, clock: Clock, tmp_path: Path, status: int
) -> None:
    github.limit_status = status
    gate, file = RateGate(clock), github.credentials(tmp_path / "credentials")
    github.secondary = 30
    for expected in (1, 1):  # the second is not sent at all
        with GithubClient.connect(github.url, file, gate=gate) as client, pytest.raises(ForgeLimitError) as raised:
            client.heads("acme/anvil")
        assert (len(github.asked), raised.value.retry_after) == (expected, 30.0)
    github.secondary, clock.now = 0, clock.now + 30
    with GithubClient.connect(github.url, file, gate=gate) as client:
        assert client.heads("acme/anvil")


def test_a_bare_429_closes_the_gate_for_a_minute_and_is_not_asked_again(
    github: FakeGithub, anvil: Repository, tmp_path: Path
) -> None:
    github.trouble = lambda _: 429
    with GithubClient.connect(github.url, github.credentials(tmp_path / "c")) as client:
        for _ in range(2):
            with pytest.raises(ForgeLimitError) as raised:
                client.heads("acme/anvil")
    assert (len(github.asked), 59 < raised.value.retry_after <= 60) == (1, True)


def test_a_403_about_something_else_closes_no_gate(client: GithubClient, github: FakeGithub, anvil: Repository) -> None:
    github.trouble = lambda _: 403
    with pytest.raises(ForgeForbiddenError):
        client.heads("acme/anvil")
    github.trouble = lambda _: 0
    assert client.heads("acme/anvil")


def test_a_forge_that_names_a_time_is_not_asked_again_at_once(
    client: GithubClient, forge: FakeForge, tmp_path: Path
) -> None:
    forge.trouble, forge.headers = lambda _: 503, {"Retry-After": "3600"}
    with session_at(forge, tmp_path) as session, pytest.raises(ForgeUnavailableError) as raised:
        session.get("/repos/acme/anvil", dict)
    assert (len(forge.asked), raised.value.retry_after) == (1, 3600.0)


# --- redirects ---------------------------------------------------------------------------------------------


def session_at(forge: FakeForge, place: Path) -> Session:
    return Session(f"{forge.url}/api/v1", login_for(forge.url, forge.credentials(place / "c")), tries=2, pause=0.001)


def test_a_question_follows_a_renamed_repository(forge: FakeForge, tmp_path: Path) -> None:
    forge.renamed = {"acme/anvil": "acme/hammer"}
    with session_at(forge, tmp_path) as session:
        assert session.get("/repos/acme/anvil", dict)["full_name"] == "acme/hammer"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_question_follows_to_another_place(forge: FakeForge, tmp_path: Path, status: int) -> None:
    thief = FakeForge()
    thief.start()
    forge.trouble, forge.headers = lambda _: status, {"Location": f"{thief.url}/api/v1/repos/acme/anvil"}
    with session_at(forge, tmp_path) as session, pytest.raises(ForgeMovedError, match="moved to"):
        session.get("/repos/acme/anvil", dict)
    thief.stop()
    assert thief.asked == []


@pytest.mark.parametrize("location", ["http://[", "", "http://x:y/"])
def test_a_redirect_to_no_place_is_an_error_of_ours(forge: FakeForge, tmp_path: Path, location: str) -> None:
    forge.trouble, forge.headers = lambda _: 301, {"Location": location}
    with session_at(forge, tmp_path) as session, pytest.raises(ForgeMovedError, match="not now: moved to"):
        session.get("/repos/acme/anvil", dict)


def test_names_that_lead_round_in_a_circle_end(forge: FakeForge, tmp_path: Path) -> None:
    forge.renamed = {"acme/anvil": "acme/hammer", "acme/hammer": "acme/anvil"}
    with session_at(forge, tmp_path) as session, pytest.raises(ForgeMovedError, match="moved to"):
        session.get("/repos/acme/anvil", dict)
    assert len(forge.asked) == 3


# --- pages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["http://127.0.0.1:9/api/v1/elsewhere?page=2", "http://[", "https://evil.example.test/"]
)
def test_a_next_page_that_is_somewhere_else_is_an_error(forge: FakeForge, tmp_path: Path, place: str) -> None:
    forge.page_link = f'<{place}>; rel="next"'
    with session_at(forge, tmp_path) as session, pytest.raises(ForgeAnswerError, match="next page"):
        list(session.pages("/repos/acme/anvil", dict))


@pytest.mark.parametrize("query", ["", "?page=2"])
def test_pages_that_lead_round_in_a_circle_are_an_error(forge: FakeForge, tmp_path: Path, query: str) -> None:
    forge.page_link = f'<{forge.url}/api/v1/repos/acme/anvil{query}>; rel="next"'
    with session_at(forge, tmp_path) as session, pytest.raises(ForgeAnswerError, match="do not end"):
        list(session.pages("/repos/acme/anvil", dict))
    assert len(forge.asked) <= 2


def test_a_server_error_in_the_middle_of_a_list_is_no_short_list(client: GithubClient, github: FakeGithub) -> None:
    for number in range(150):
        github.repository(f"acme/r{number:03}")
    github.trouble = lambda asked: 500 if "page=2" in asked else 0
    with pytest.raises(ForgeFaultError):
        list(client.repositories("acme"))


# --- trying again ------------------------------------------------------------------------------------------


def test_already_the_first_pause_differs_from_caller_to_caller() -> None:
    tried = _Politely(total=2, backoff_factor=0.3, backoff_jitter=0.3).increment("GET", "/x", error=OSError())
    pauses = {tried.get_backoff_time() for _ in range(8)}
    assert len(pauses) == 8
    assert all(0 <= pause <= 0.3 for pause in pauses)
