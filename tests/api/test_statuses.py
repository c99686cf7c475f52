"""Commit statuses: the forge's last word is the job's, whatever fails, restarts or happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from raibid.api.forges import forges_of
from raibid.api.settings import Settings
from raibid.api.statuses import Statuses
from raibid.api.telling import Telling
from raibid.ledger import Claim, Ledger, NewJob
from raibid.model.job import JobStatus

from tests.api.conftest import end, enqueue, served, spec
from tests.api.status_line import Line, push
from tests.waiting import until


def held(ledger: Ledger, **changes: Any) -> str:
    return ledger.enqueue([NewJob(spec=spec(forge="gitea", **changes), dedupe="held", hold=True)])[0].id


def claimed(ledger: Ledger) -> Claim:
    claim = ledger.claim("ci-agent-x")
    assert claim is not None
    return claim


def test_a_job_is_shown_from_its_start_to_its_end(line: Line) -> None:
    push(line.ledger)
    line.round()
    claim = claimed(line.ledger)
    line.round()
    line.ledger.finish(claim.job.id, claim.token, JobStatus.SUCCESS)
    line.round()
    assert [s["state"] for s in line.forge.statuses] == ["pending", "pending", "success"]
    assert [s["description"] for s in line.forge.statuses][:2] == ["waits for an agent", "running on ci-agent-x"]
    assert {s["target_url"] for s in line.forge.statuses} == {f"https://ci.example.test/jobs/{claim.job.id}"}


@pytest.mark.parametrize(
    ("outcome", "state"),
    [(JobStatus.SUCCESS, "success"), (JobStatus.FAILED, "failure"), (JobStatus.CANCELLED, "error")],
)
def test_an_end_is_shown(line: Line, outcome: JobStatus, state: str) -> None:
    push(line.ledger)
    end(line.ledger, outcome)
    line.round()
    assert line.shown() == state


def test_a_dead_job_is_an_error(line: Line) -> None:
    job = push(line.ledger)
    line.ledger.bury(job, "the operator's word")
    line.round()
    assert line.shown() == "error"
    assert line.forge.statuses[-1]["description"] == "dead: the operator's word"


def test_a_held_job_says_what_it_waits_for(line: Line) -> None:
    job = held(line.ledger, fork="runner/anvil", event="pull_request")
    line.round()
    assert line.forge.statuses[-1]["description"] == "waits for approval: a pull request from runner/anvil"
    line.ledger.approve(job, "somebody")
    line.round()
    assert line.forge.statuses[-1]["description"] == "waits for an agent, approved by somebody"


def test_a_job_whose_agents_cannot_start_says_why_and_no_more_once_they_can(line: Line) -> None:
    push(line.ledger)
    for reasons in ({"ci-agent-x": "ErrImagePull"}, {"ci-agent-x": "ImagePullBackOff"}, {}):
        line.ledger.pods_stuck(reasons)
        line.round()
    words = [s["description"] for s in line.forge.statuses]
    assert len(words) == 2, "reasons alternate by the minute: not every one is news"
    assert words[0].startswith("waits for an agent: ")
    assert "ErrImagePull" in words[0]
    assert words[1] == "waits for an agent"


def test_what_the_forge_knows_is_not_told_again(line: Line) -> None:
    push(line.ledger)
    assert (line.round(), line.round(), len(line.forge.asked)) == (1, 0, 1)


def test_only_the_latest_of_several_changes_is_told(line: Line) -> None:
    push(line.ledger)
    end(line.ledger)
    line.round()
    assert [s["state"] for s in line.forge.statuses] == ["success"]


def test_a_change_while_its_forerunner_is_told_is_told_too(line: Line) -> None:
    push(line.ledger)

    def ends() -> None:
        line.forge.meanwhile = lambda: None
        end(line.ledger)

    line.forge.meanwhile = ends
    line.round()
    line.round()
    assert line.shown() == "success"


def test_of_two_apis_the_late_one_has_not_the_last_word(line: Line) -> None:
    push(line.ledger)
    late = Line(line.ledger, line.forge, line.credentials)

    def trouble(_: str) -> int:
        line.forge.trouble = lambda _: 0
        end(line.ledger)
        line.round()
        return 0

    line.forge.trouble = trouble  # the late one's word is on its way while the other tells the end
    late.round()
    assert [s["state"] for s in line.forge.statuses] == ["success", "pending"]
    line.round()
    assert line.shown() == "success"


@pytest.mark.parametrize("changes", [{"forge": ""}, {"forge": "github"}, {"forge": "gitea", "sha": ""}])
def test_a_job_that_no_forge_can_show_is_passed_over(line: Line, changes: dict[str, str]) -> None:
    enqueue(line.ledger, **changes)
    line.round()
    assert (line.forge.asked, line.untold()) == ([], [])


def test_a_job_without_a_record_is_forgotten(line: Line) -> None:
    job = push(line.ledger)
    line.ledger.client.delete(line.ledger.keys.job + job)
    line.round()
    assert (line.forge.asked, line.untold()) == ([], [])


def test_a_job_that_this_version_cannot_read_stays_and_holds_up_nobody(line: Line) -> None:
    odd = push(line.ledger, "odd", sha="6" * 40)
    push(line.ledger)
    line.ledger.client.hset(line.ledger.keys.job + odd, "spec", "{")
    line.round()
    assert (line.shown(), line.untold()) == ("pending", [odd])


def test_of_a_retried_jobs_commit_only_the_retry_speaks(line: Line) -> None:
    push(line.ledger)
    first = end(line.ledger, JobStatus.FAILED)
    line.ledger.retry(first)
    end(line.ledger)
    line.round()
    assert [s["state"] for s in line.forge.statuses] == ["success"]
    assert line.untold() == []


def test_of_two_apis_the_late_one_has_not_the_last_word_about_a_job_that_was_retried(line: Line) -> None:
    push(line.ledger)
    first = end(line.ledger, JobStatus.FAILED)
    late = Line(line.ledger, line.forge, line.credentials)

    def trouble(_: str) -> int:
        line.forge.trouble = lambda _: 0
        line.ledger.retry(first)
        end(line.ledger)
        line.round()
        return 0

    line.forge.trouble = trouble
    late.round()
    assert [s["state"] for s in line.forge.statuses] == ["success", "failure"]
    line.round()
    assert (line.shown(), line.untold()) == ("success", [])


def test_a_reason_that_comes_while_the_same_status_is_told_is_told_too(line: Line) -> None:
    push(line.ledger)

    def agents_cannot_start() -> None:
        line.forge.meanwhile = lambda: None
        line.ledger.pods_stuck({"ci-agent-x": "ErrImagePull"})

    line.forge.meanwhile = agents_cannot_start
    line.round()
    line.round()
    assert "ErrImagePull" in line.forge.statuses[-1]["description"]


# --- in the API --------------------------------------------------------------------------------------------

Make = Callable[..., Settings]


def test_the_running_api_tells_gitea(make_settings: Make, ledger: Ledger, line: Line) -> None:
    settings = make_settings(gitea_url=line.forge.url, forge_credentials_file=line.credentials, status_seconds=0.02)
    with served(settings, ledger) as api:
        job = api.deliver().json()["id"]
        until(lambda: line.forge.statuses)
        end(ledger)
        sha = line.forge.statuses[0]["sha"]
        until(lambda: line.shown(sha) == "success")
        until(lambda: "raibid_statuses_untold 0.0" in api.reader.get("/metrics").text)
        assert 'raibid_statuses_total{forge="gitea",outcome="told"}' in api.reader.get("/metrics").text
        record = ledger.records.get(job)
        assert record is not None
        assert record.spec.sha == sha


def test_without_a_forge_nothing_is_told_and_nothing_piles_up(make_settings: Make, line: Line) -> None:
    telling = Telling(line.ledger, forges_of(make_settings()), [Statuses("")], line.metrics)
    push(line.ledger)
    telling.round()
    assert (line.forge.asked, line.untold()) == ([], [])
