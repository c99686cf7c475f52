"""Cron: every time is seen to once, by however many APIs, and made up for when none was there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from raibid.api.cron import Cron
from raibid.api.forges import Connect
from raibid.api.metrics import Metrics
from raibid.api.settings import Settings
from raibid.forge import Enrolment
from raibid.forge.enrolment import RepositoryRule
from raibid.forge.errors import CallError, ForgeNotFoundError, ForgeUnavailableError
from raibid.forge.forge import Forge, Head, RepositoryInfo
from raibid.forge.schedule import CronRule
from raibid.ledger import Ledger, NewJob
from raibid.model.job import Job, JobSpec, JobStatus

from tests.api.conftest import served
from tests.waiting import until

HOUR, DAY = 3600.0, 24 * 3600.0
REPO, SHA = "acme/anvil", "a" * 40
CLONE_URL = "https://forge.test/acme/anvil.git"


@dataclass
class KnownRepository:
    """A forge that has one repository with one branch, or is in trouble."""

    trouble: CallError | None = None
    branch: str = "main"
    asked: list[str] = field(default_factory=list)

    def repository(self, repository: str) -> RepositoryInfo:
        self.asked.append(repository)
        if self.trouble:
            raise self.trouble
        if repository != REPO:
            raise ForgeNotFoundError("no such repository")
        return RepositoryInfo(full_name=REPO, clone_url=CLONE_URL, default_branch="main")

    def heads(self, repository: str) -> Sequence[Head]:
        return [Head("other", "b" * 40), Head(self.branch, SHA)]

    def connect(self) -> Connect:
        @contextmanager
        def connection() -> Iterator[Forge]:
            yield cast(Forge, self)

        return connection


class Clock:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def forge() -> KnownRepository:
    return KnownRepository()


Crons = Callable[..., Cron]


@pytest.fixture
def cron(ledger: Ledger, clock: Clock, forge: KnownRepository) -> Crons:
    """An API's cron; each call is another process."""

    def make(*rules: dict[str, Any], forges: dict[str, Connect] | None = None) -> Cron:
        scheduled = [CronRule(**{"branch": "main", "schedule": "17 3 * * *", **rule}) for rule in rules or ({},)]
        enrolment = Enrolment(repositories={REPO: RepositoryRule(cron=scheduled)})
        known = {"gitea": forge.connect()} if forges is None else forges
        return Cron(ledger, known, enrolment, Metrics(ledger.depth), clock=clock)

    return make


def jobs(ledger: Ledger) -> list[Job]:
    return [job for job in ledger.records.page(limit=500).jobs if job.spec.found_by == "cron"]


def test_a_scheduled_time_becomes_a_job_at_the_branchs_head(ledger: Ledger, cron: Crons, clock: Clock) -> None:
    one = cron()
    assert one.round() == 0
    clock.now += DAY
    assert (one.round(), one.round()) == (1, 0)
    [job] = jobs(ledger)
    assert (job.spec.event, job.spec.sha, job.spec.forge, job.spec.clone_url) == ("cron", SHA, "gitea", CLONE_URL)
    assert job.spec.ref == "refs/heads/main"


def test_two_apis_make_one_job(ledger: Ledger, cron: Crons, clock: Clock) -> None:
    first, second = cron(), cron()
    first.round(), second.round()
    clock.now += DAY
    assert first.round() + second.round() == 1
    assert len(jobs(ledger)) == 1


def test_an_api_that_dies_before_it_remembers_makes_no_second_job(ledger: Ledger, cron: Crons, clock: Clock) -> None:
    cron().round()
    before = ledger.crons.all()
    clock.now += DAY
    cron().round()
    for schedule, seen in before.items():
        ledger.crons.remember(schedule, seen)
    assert cron().round() == 0
    assert len(jobs(ledger)) == 1


def test_what_was_missed_while_no_api_ran_is_made_up_for_once(ledger: Ledger, cron: Crons, clock: Clock) -> None:
    cron({"schedule": "*/10 * * * *"}).round()
    clock.now += 5 * HOUR
    restarted = cron({"schedule": "*/10 * * * *"})
    assert (restarted.round(), restarted.round()) == (1, 0)
    clock.now += 600
    assert restarted.round() == 1


def test_a_new_schedule_does_not_begin_with_the_past(ledger: Ledger, cron: Crons, clock: Clock) -> None:
    assert cron().round() == 0
    clock.now += HOUR
    assert cron({}, {"schedule": "0 12 * * *"}).round() == 0


def test_a_schedule_that_was_taken_out_and_comes_back_is_new(ledger: Ledger, cron: Crons, clock: Clock) -> None:
    cron({"schedule": "0 * * * *"}).round()
    cron({"schedule": "30 1 1 1 *"}).round()
    clock.now += 2 * HOUR
    assert cron({"schedule": "0 * * * *"}).round() == 0
    assert len(ledger.crons.all()) == 1


def test_while_the_forge_is_away_the_branch_is_built_as_it_is_at_checkout(
    ledger: Ledger, cron: Crons, clock: Clock, forge: KnownRepository
) -> None:
    spec = JobSpec(repo=REPO, clone_url=CLONE_URL, ref="refs/heads/main", forge="gitea")
    ledger.enqueue([NewJob(spec=spec, dedupe="by a webhook")])
    forge.trouble = ForgeUnavailableError("away")
    one = cron()
    one.round()
    clock.now += DAY
    assert one.round() == 1
    assert [(job.spec.sha, job.spec.clone_url, job.spec.forge) for job in jobs(ledger)] == [("", CLONE_URL, "gitea")]


def test_the_url_of_a_job_that_a_person_started_is_not_taken(ledger: Ledger, cron: Crons, clock: Clock) -> None:
    spec = JobSpec(repo=REPO, clone_url="https://elsewhere.test/x.git", ref="refs/heads/main", event="manual")
    ledger.enqueue([NewJob(spec=spec, dedupe="by hand")])
    one = cron(forges={})
    one.round()
    clock.now += DAY
    assert one.round() == 0
    assert "clone_url" in one.upcoming().schedules[0].trouble


def test_without_a_forge_the_file_says_where_to_clone_from(ledger: Ledger, cron: Crons, clock: Clock) -> None:
    one = cron({"clone_url": "https://plain.test/anvil.git"}, forges={})
    one.round()
    clock.now += DAY
    assert one.round() == 1
    assert jobs(ledger)[0].spec.clone_url == "https://plain.test/anvil.git"


def test_a_time_that_cannot_be_built_yet_is_built_when_it_can(
    ledger: Ledger, cron: Crons, clock: Clock, forge: KnownRepository
) -> None:
    forge.branch = "not-main"
    cron().round()
    clock.now += DAY
    waiting = cron()
    assert waiting.round() == 0
    assert waiting.upcoming().schedules[0].trouble == f"gitea: {REPO} has no branch main"
    asked = len(forge.asked)
    assert waiting.round() == 0
    assert len(forge.asked) == asked, "not in every round"
    forge.branch = "main"
    assert cron().round() == 1


def test_the_forge_that_has_the_repository_is_asked(ledger: Ledger, cron: Crons, clock: Clock) -> None:
    empty, full = KnownRepository(trouble=ForgeNotFoundError("not here")), KnownRepository()
    forges = {"gitea": empty.connect(), "github": full.connect()}
    cron(forges=forges).round()
    clock.now += DAY
    assert cron(forges=forges).round() == 1
    assert jobs(ledger)[0].spec.forge == "github"
    named = cron({"forge": "gitea", "schedule": "0 4 * * *"}, forges=forges)
    named.round()
    clock.now += DAY
    assert named.round() == 0


def test_the_list_has_the_soonest_first(cron: Crons, clock: Clock) -> None:
    one = cron({"schedule": "0 23 * * *"}, {"schedule": "0 13 * * *", "params": {"A": "1"}})
    one.round()
    shown = one.upcoming().schedules
    assert [each.next[0] - clock.now for each in shown] == [HOUR, 11 * HOUR]
    assert [len(each.next) for each in shown] == [3, 3]
    assert (shown[0].params, shown[0].last, shown[0].job) == ({"A": "1"}, 0.0, "")
    clock.now += HOUR
    one.round()
    done = one.upcoming().schedules[1]
    assert (done.last, bool(done.job)) == (clock.now, True)


def test_the_api_does_it_by_itself_and_shows_it(
    make_settings: Callable[..., Settings], ledger: Ledger, tmp_path: Path
) -> None:
    enrolment = tmp_path / "enrolment.yaml"
    rule = f'{{branch: main, schedule: "* * * * *", clone_url: "{CLONE_URL}"}}'
    enrolment.write_text(f"repositories:\n  {REPO}:\n    cron: [{rule}]\n")
    with served(make_settings(enrolment_file=enrolment, tick_seconds=0.05), ledger) as api:
        until(ledger.crons.all)
        [(schedule, seen)] = ledger.crons.all().items()
        # As if this API had been away for five minutes: a real clock is not waited for.
        ledger.crons.remember(schedule, type(seen)(seen.until - 300))
        [job] = until(lambda: jobs(ledger))
        assert job.status is JobStatus.QUEUED
        [shown] = until(lambda: [one for one in api.reader.get("/cron").json()["schedules"] if one.get("job")])
        assert shown["job"] == job.id
        assert api.anonymous.get("/cron").status_code == 401
