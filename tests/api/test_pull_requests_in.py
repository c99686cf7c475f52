"""Deliveries about pull requests over real HTTP: at which commit they are built, and which wait for a person."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from raibid.api.settings import Settings
from raibid.ledger import Beat, Ledger
from raibid.model.job import Job, JobStatus

from tests.api.conftest import Api, end, enqueue, served

FIXTURES = Path(__file__).parents[1] / "forge" / "fixtures"


def pull_request(api: Api, name: str = "gitea-pull-request-opened", forge: str = "gitea") -> httpx.Response:
    """A delivery of the fixture."""
    body = (FIXTURES / f"{name}.json").read_bytes()
    return api.deliver(body, forge=forge, event="pull_request")


def test_a_pull_request_is_a_job_at_its_head(api: Api) -> None:
    answer = pull_request(api).json()
    job = api.ledger.records.get(answer["id"])
    assert job is not None
    assert (answer["created"], answer["status"]) == (True, "queued")
    assert (job.spec.event, job.spec.ref) == ("pull_request", "refs/pull/1/head")


def test_a_pull_request_that_is_opened_again_at_the_same_commit_is_one_job(api: Api) -> None:
    first = pull_request(api, "gitea-pull-request-synchronized").json()
    again = pull_request(api, "gitea-pull-request-reopened").json()
    assert (first["id"], again["created"]) == (again["id"], False)


def test_a_pull_request_from_a_fork_is_held_at_every_commit_and_when_retried(api: Api) -> None:
    opened = pull_request(api, "gitea-fork-pull-request-opened").json()
    assert opened["status"] == "held"
    assert api.ledger.claim("agent") is None
    why = api.reader.get(f"/jobs/{opened['id']}/why").json()
    assert why["sentence"] == "held: waits for approval: a pull request from runner/anvil"
    assert api.writer.post(f"/jobs/{opened['id']}/approve").json()["status"] == "queued"
    end(api.ledger)
    assert pull_request(api, "gitea-fork-pull-request-synchronized").json()["status"] == "held"
    assert api.writer.post(f"/jobs/{opened['id']}/retry").json()["status"] == "held"


def test_githubs_pull_requests_are_taken_too(api: Api) -> None:
    assert pull_request(api, "github-pull-request-synchronize", "github").json()["status"] == "held"


def test_an_action_that_brings_no_code_is_204(api: Api) -> None:
    assert pull_request(api, "gitea-pull-request-edited").status_code == 204
    assert api.ledger.records.page().jobs == []


def status(api: Api, job_id: str) -> JobStatus:
    job = api.ledger.records.get(job_id)
    assert job is not None
    return job.status


def test_closing_cancels_what_nobody_waits_for_any_more(api: Api) -> None:
    waiting = pull_request(api, "gitea-pull-request-opened").json()["id"]
    other = [
        enqueue(api.ledger, dedupe, ref=ref, forge=forge)
        for dedupe, ref, forge in (("a", "refs/pull/11/head", "gitea"), ("b", "refs/pull/1/head", "github"))
    ]
    assert pull_request(api, "gitea-pull-request-closed").json() == {"cancelled": [waiting]}
    job = api.ledger.records.get(waiting)
    assert job is not None
    assert (job.status, job.reason) == (JobStatus.CANCELLED, "cancelled by the closing of its pull request")
    assert {status(api, each) for each in other} == {JobStatus.QUEUED}


def test_closing_tells_the_agent_of_a_running_job_and_leaves_ended_ones_alone(api: Api) -> None:
    running = pull_request(api, "gitea-pull-request-opened").json()["id"]
    claim = api.ledger.claim("agent")
    assert claim is not None
    assert pull_request(api, "gitea-pull-request-closed").json() == {"cancelled": [running]}
    assert api.ledger.beat(running, claim.token) is Beat.CANCEL
    api.ledger.finish(running, claim.token, JobStatus.CANCELLED)
    assert pull_request(api, "gitea-pull-request-closed").json() == {"cancelled": []}


def test_opening_it_again_builds_again_what_closing_called_off_and_only_once(api: Api) -> None:
    # Gitea's fixtures "synchronized", "closed" and "reopened" are of one commit.
    first = pull_request(api, "gitea-pull-request-synchronized").json()["id"]
    pull_request(api, "gitea-pull-request-closed")
    assert status(api, first) is JobStatus.CANCELLED
    again = pull_request(api, "gitea-pull-request-reopened").json()
    assert (again["created"], again["status"], again["id"] != first) == (True, "queued", True)
    assert not pull_request(api, "gitea-pull-request-reopened").json()["created"], "a redelivery"
    pull_request(api, "gitea-pull-request-closed")
    assert pull_request(api, "gitea-pull-request-reopened").json()["created"], "closed and opened once more"


def test_a_late_delivery_of_a_closed_pull_request_brings_nothing_back(api: Api) -> None:
    first = pull_request(api, "gitea-pull-request-synchronized").json()["id"]
    pull_request(api, "gitea-pull-request-closed")
    late = pull_request(api, "gitea-pull-request-synchronized").json()
    assert late == {"id": first, "created": False, "status": "cancelled"}


def test_a_fork_that_is_opened_again_is_held_again(api: Api) -> None:
    body = (FIXTURES / "gitea-fork-pull-request-opened.json").read_bytes()
    first = api.deliver(body, event="pull_request").json()
    api.deliver(body.replace(b'"opened"', b'"closed"'), event="pull_request")
    again = api.deliver(body.replace(b'"opened"', b'"reopened"'), event="pull_request").json()
    assert (first["status"], again["status"], again["created"]) == ("held", "held", True)


def test_what_takes_longer_than_a_forge_waits_is_503_and_done_when_it_is_delivered_again(
    make_settings: Callable[..., Settings], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()

    def slow(*_: object) -> list[Job]:
        assert goes_on.wait(60)
        return []

    with served(make_settings(answer_seconds=0.05), ledger) as api:
        with monkeypatch.context() as patched:
            patched.setattr("raibid.api.closed_pulls.unfinished", slow)
            answer = pull_request(api, "gitea-pull-request-closed")
            goes_on.set()
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
        assert pull_request(api, "gitea-pull-request-closed").status_code == 200


def test_a_pull_request_that_is_none_is_400(api: Api) -> None:
    assert api.deliver(b"{}", event="pull_request").status_code == 400


def test_a_review_is_a_hint_and_without_a_forge_to_ask_it_is_none(api: Api) -> None:
    opened = api.deliver((FIXTURES / "gitea-fork-pull-request-opened.json").read_bytes(), event="pull_request").json()
    review = (FIXTURES / "gitea-fork-pull-request-approved.json").read_bytes()
    answer = api.deliver(review, event="pull_request_approved")
    assert (answer.status_code, answer.json()) == (200, {"asked": []})
    assert status(api, opened["id"]) is JobStatus.HELD
