"""Commit statuses: the forge's last word is the job's, whatever fails, restarts or happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from raibid.api.settings import Settings
from raibid.api.statuses import Statuses, forges_of
from raibid.ledger import Claim, Ledger, NewJob
from raibid.model.job import JobStatus

from tests.api.conftest import SHA, end, enqueue, served, spec
from tests.api.status_line import Line
from tests.forge.fake_forge import FakeForge
from tests.waiting import until


@pytest.fixture
def forge() -> Iterator[FakeForge]:
    forge = FakeForge()
    forge.start()
    yield forge
    forge.stop()


@pytest.fixture
def line(ledger: Ledger, forge: FakeForge, tmp_path: Path) -> Line:
    return Line(ledger, forge, forge.credentials(tmp_path / "forge-credentials"))


def untold(line: Line) -> list[str]:
    return line.ledger.untold(1_000)


push = partial(enqueue, forge="gitea")


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
    assert line.forge.statuses[-1]["description"] == "waits for an agent"


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
    assert (line.forge.asked, untold(line)) == ([], [])


def test_a_job_without_a_record_is_forgotten(line: Line) -> None:
    job = push(line.ledger)
    line.ledger.client.delete(line.ledger.keys.job + job)
    line.round()
    assert (line.forge.asked, untold(line)) == ([], [])


def test_a_job_that_this_version_cannot_read_stays_and_holds_up_nobody(line: Line) -> None:
    odd = push(line.ledger, "odd", sha="6" * 40)
    push(line.ledger)
    line.ledger.client.hset(line.ledger.keys.job + odd, "spec", "{")
    line.round()
    assert (line.shown(), untold(line)) == ("pending", [odd])


def test_a_retried_jobs_word_comes_last(line: Line) -> None:
    push(line.ledger)
    first = end(line.ledger, JobStatus.FAILED)
    line.ledger.retry(first)
    end(line.ledger)
    line.round()
    assert [s["state"] for s in line.forge.statuses] == ["failure", "success"]


# --- a forge in trouble ------------------------------------------------------------------------------------


def test_a_forge_that_was_down_for_an_hour_hears_the_end(line: Line) -> None:
    push(line.ledger)
    line.forge.stop()
    for _ in range(60):
        line.now += 60
        line.round()
    end(line.ledger)
    line.restart()
    line.forge.start()
    line.round()
    assert [s["state"] for s in line.forge.statuses] == ["success"]


@pytest.mark.parametrize("status", [401, 429, 502, 503])
def test_a_forge_that_is_away_is_asked_less_and_less_and_loses_nothing(line: Line, status: int) -> None:
    for i in range(5):
        push(line.ledger, str(i), sha=str(i) * 40)
    line.forge.trouble = lambda _: status
    for _ in range(120):
        line.now += 0.5
        line.round()
    assert len(line.forge.asked) == 6, "after 0, 1, 3, 7, 15 and 31 of 60 seconds, with one job each"
    assert len(untold(line)) == 5
    line.forge.trouble = lambda _: 0
    assert line.later() == 5


def test_a_word_that_a_slow_forge_takes_late_is_not_the_last(line: Line) -> None:
    push(line.ledger)
    line.forge.holds_back = True
    line.round()
    line.forge.holds_back = False
    end(line.ledger)
    line.later()
    line.forge.take_held_back()
    assert [s["state"] for s in line.forge.statuses] == ["success", "pending"]
    line.later()
    assert (line.shown(), untold(line)) == ("success", [])


def test_a_forge_that_asks_for_a_pause_gets_it(line: Line) -> None:
    push(line.ledger)
    line.forge.trouble, line.forge.headers = lambda _: 429, {"Retry-After": "30"}
    line.round()
    line.now += 29
    line.round()
    assert len(line.forge.asked) == 1
    line.now += 2
    line.round()
    assert len(line.forge.asked) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_refusal_that_cannot_heal_ends_the_matter_and_is_said_once(line: Line, status: int) -> None:
    push(line.ledger, "1")
    push(line.ledger, "2", sha="6" * 40)
    line.forge.trouble = lambda _: status
    with structlog.testing.capture_logs() as logs:
        line.round()
        end(line.ledger)
        line.later()
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert logs[0]["repo"] == "acme/anvil"
    assert (untold(line), line.count("refused")) == ([], 3)


def test_a_commit_that_is_gone_is_dropped_though_the_forge_says_500(line: Line) -> None:
    push(line.ledger)
    line.forge.gone = {SHA}
    line.round()
    assert (untold(line), line.count("refused")) == ([], 1)


def test_a_call_that_the_forge_fails_at_is_repeated_and_holds_up_no_other(line: Line) -> None:
    push(line.ledger, "poison")
    push(line.ledger, "good", sha="6" * 40)
    line.forge.trouble = lambda asked: 500 if SHA in asked and asked.startswith("POST") else 0
    line.round()
    line.round()
    assert (line.shown("6" * 40), line.count("failed")) == ("pending", 1)
    line.forge.trouble = lambda _: 0
    line.later()
    assert (line.shown(), untold(line)) == ("pending", [])


def test_a_rotated_token_is_used_without_a_restart(line: Line) -> None:
    push(line.ledger)
    right = line.credentials.read_text()
    line.credentials.write_text(f"http://raibid:stale@127.0.0.1:{line.forge.port}\n")
    line.round()
    assert line.shown() == ""
    line.credentials.write_text(right)
    line.later()
    assert line.shown() == "pending"


def test_missing_credentials_lose_nothing(line: Line) -> None:
    push(line.ledger)
    line.credentials.unlink()
    with structlog.testing.capture_logs() as logs:
        line.round()
        line.later()
    assert [entry["event"] for entry in logs] == ["the forge takes no statuses; they wait"]
    line.forge.credentials(line.credentials)
    line.later()
    assert line.shown() == "pending"


def test_an_api_that_is_asked_to_end_tells_no_more(line: Line) -> None:
    for i in range(3):
        push(line.ledger, str(i), sha=str(i) * 40)
    assert line.statuses.round(lambda: len(line.forge.statuses) == 1) == 1
    assert len(untold(line)) == 2


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
    statuses = Statuses(line.ledger, forges_of(make_settings()), line.metrics, public_url="")
    push(line.ledger)
    statuses.round()
    assert (line.forge.asked, untold(line)) == ([], [])
