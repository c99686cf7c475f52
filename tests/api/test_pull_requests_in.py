"""Deliveries about pull requests over real HTTP: at which commit they are built, and which wait for a person."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.api.conftest import Api, end

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
    assert pull_request(api, "gitea-fork-pull-request-synchronized").json()["status"] == "held"
    end(api.ledger)
    assert api.writer.post(f"/jobs/{opened['id']}/retry").json()["status"] == "held"


def test_githubs_pull_requests_are_taken_too(api: Api) -> None:
    assert pull_request(api, "github-pull-request-synchronize", "github").json()["status"] == "held"


def test_an_action_that_brings_no_code_is_204(api: Api) -> None:
    assert pull_request(api, "gitea-pull-request-closed").status_code == 204
    assert api.ledger.records.page().jobs == []


def test_a_pull_request_that_is_none_is_400(api: Api) -> None:
    assert api.deliver(b"{}", event="pull_request").status_code == 400
