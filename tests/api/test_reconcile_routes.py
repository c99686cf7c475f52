"""The reconciler as people and Prometheus see it: over HTTP, from a GitHub that sends no webhook at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from raibid.api.settings import Settings
from raibid.ledger import Ledger
from raibid.model.job import JobStatus

from tests.api.conftest import Api, served
from tests.forge.github_fake import FakeGithub
from tests.waiting import until

ANVIL = "acme/anvil"


@pytest.fixture
def github() -> Iterator[FakeGithub]:
    with FakeGithub() as github:
        github.repository(ANVIL).commit({"README.md": "# it\n"}, "Long ago")
        yield github


@pytest.fixture
def api(make_settings: Callable[..., Settings], ledger: Ledger, github: FakeGithub, tmp_path: Path) -> Iterator[Api]:
    """An API that has seen the forge once and looks again when it is told to."""
    credentials = github.credentials(tmp_path / "forge-credentials")
    settings = make_settings(github_url=github.url, forge_credentials_file=credentials, reconcile_seconds=3600)
    with served(settings, ledger) as api:
        until(lambda: rounds(api) == 1, "the first round")
        yield api


def rounds(api: Api) -> int:
    number: int = api.reader.get("/reconcile").json()["round"]
    return number


def shas(ledger: Ledger) -> set[str]:
    return {job.spec.sha for job in ledger.records.page().jobs}


def test_a_whole_round_that_somebody_wants_builds_what_no_webhook_brought(api: Api, github: FakeGithub) -> None:
    anvil = github.repositories[ANVIL]
    heads = {anvil.commit({"a": "1"}), anvil.commit({"b": "1"}, branch="side")}
    anvil.commit({"c": "1"}, "Not now [ci skip]", branch="quiet")
    answer = api.writer.post("/reconcile")
    assert answer.status_code == 202
    until(lambda: rounds(api) >= answer.json()["round"], "the wanted round")
    assert shas(api.ledger) == heads
    report = api.reader.get("/reconcile").json()
    assert {one["sha"] for one in report["healed"]} == heads
    assert report["forges"][0]["outcomes"] == {"created": 2, "skipped": 1}
    metrics = api.anonymous.get("/metrics").text
    assert 'raibid_reconciled_total{forge="github",outcome="created"} 2.0' in metrics
    assert 'raibid_reconcile_age_seconds{forge="github"}' in metrics


def test_a_quiet_round_costs_nothing_that_github_counts(api: Api, github: FakeGithub) -> None:
    github.answered.clear()
    number = api.writer.post("/reconcile").json()["round"]
    until(lambda: rounds(api) >= number, "the wanted round")
    assert github.answered
    assert not [one.what for one in github.answered if one.counted]


def test_however_often_a_round_is_wanted_while_one_runs_one_more_follows(api: Api) -> None:
    reconciler = api.parts.reconciler
    with reconciler._rounds:
        answers = [api.writer.post("/reconcile").json()["round"] for _ in range(50)]
        assert set(answers) == {answers[0]}
    until(lambda: rounds(api) >= answers[0] - 1, "the wanted round")
    assert reconciler.ask_for_round() == (rounds(api) + 1, rounds(api) + 1 > answers[0])


def test_a_forks_pull_request_is_found_and_held(api: Api, github: FakeGithub) -> None:
    anvil = github.repositories[ANVIL]
    anvil.commit({"gift": "mine"}, "From outside", branch="gift")
    number = anvil.pull("gift", title="A gift", author="mallory", fork=True)
    answer = api.writer.post("/reconcile", params={"repo": ANVIL})
    [look] = answer.json()["looks"]
    assert f"refs/pull/{number}/head" in [one["ref"] for one in look["settled"]]
    [held] = [job for job in api.ledger.records.page().jobs if job.spec.fork]
    assert (held.status, held.spec.fork, held.spec.found_by) == (JobStatus.HELD, "mallory/anvil", "reconciler")


def test_one_repository_is_looked_at_while_the_request_waits(api: Api, github: FakeGithub) -> None:
    sha = github.repositories[ANVIL].commit({"a": "1"}, "More")
    answer = api.writer.post("/reconcile", params={"repo": ANVIL})
    assert answer.status_code == 200
    [look] = answer.json()["looks"]
    [settled] = look["settled"]
    assert (settled["sha"], settled["outcome"]) == (sha, "created")
    assert shas(api.ledger) == {sha}


def test_asking_needs_the_write_scope_and_reading_the_read_scope(api: Api) -> None:
    assert api.reader.post("/reconcile").status_code == 403
    assert api.anonymous.post("/reconcile").status_code == 401
    assert api.anonymous.get("/reconcile").status_code == 401


@pytest.mark.parametrize(("repository", "status"), [("acme/none", 404), ("no-owner", 400), ("../x", 400)])
def test_what_is_not_there_or_is_no_name_is_an_error_that_says_so(api: Api, repository: str, status: int) -> None:
    answer = api.writer.post("/reconcile", params={"repo": repository})
    assert answer.status_code == status
    assert answer.json()["remedy"]


def test_a_forge_that_is_away_is_the_forges_fault(api: Api, github: FakeGithub) -> None:
    github.trouble = lambda asked: 503
    answer = api.writer.post("/reconcile", params={"repo": ANVIL})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


def test_without_an_address_there_is_nobody_to_ask(make_settings: Callable[..., Settings], ledger: Ledger) -> None:
    with served(make_settings(), ledger) as api:
        until(lambda: rounds(api) == 1, "the first round")
        assert api.reader.get("/reconcile").json()["forges"] == []
        assert api.writer.post("/reconcile", params={"repo": ANVIL}).status_code == 404
