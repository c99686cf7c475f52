"""Direct mode's decision: KEDA's arithmetic, never more than max, whoever else creates Jobs at the same time."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube.resources.batch_v1 import Job
from raibid.contract import Labels
from raibid.controller.errors import TemplateError
from raibid.controller.job_creator import (
    POD_START_SECONDS,
    AgentJob,
    Template,
    agent_job,
    job_manifest,
    plan,
    surplus,
    template_of,
)
from raibid.controller.kube import of_agents
from raibid.scaler.backoff import LONGEST_PAUSE, QUICK_SECONDS

from tests.controller.fake_cluster import cron_job

TEMPLATE = template_of(cron_job(most="7"))


def running(count: int, first: int = 1) -> list[AgentJob]:
    return [AgentJob(name=f"ci-agent-{first + i}", created=float(first + i)) for i in range(count)]


def ended(serial: int, *, at: float = 100.0, succeeded: bool = True, took: float = 60.0) -> AgentJob:
    name, began = f"ci-agent-{serial}", at - took
    return AgentJob(name=name, created=began, started=began, ended=at, succeeded=succeeded)


@pytest.mark.parametrize(
    ("queue", "unfinished", "created"),
    [(0, 0, 0), (1, 0, 1), (20, 0, 7), (20, 5, 2), (20, 7, 0), (3, 3, 0), (20, 9, 0)],
)
def test_it_creates_what_the_queue_asks_for_and_not_above_max(queue: int, unfinished: int, created: int) -> None:
    assert len(plan(TEMPLATE, running(unfinished), queue=queue, now=0).create) == created


def test_finished_jobs_take_no_place() -> None:
    jobs = [*running(3), *(ended(10 + i) for i in range(4))]
    assert len(plan(TEMPLATE, jobs, queue=7, now=1000).create) == 4


def test_warm_agents_are_filled_up_without_a_queue() -> None:
    warm = template_of(cron_job(most="7", least="2"))
    assert len(plan(warm, running(1), queue=0, now=0).create) == 1


def test_numbers_go_on_above_the_highest_that_there_is_finished_or_not() -> None:
    jobs = [*running(2), ended(41), AgentJob(name="ci-agent-xk2pq")]
    assert plan(TEMPLATE, jobs, queue=5, now=1000).create == (42, 43)


def test_agents_that_die_at_once_are_probed_one_at_a_time_and_later() -> None:
    dying = [ended(i, at=100.0 + i, succeeded=False, took=2.0) for i in range(1, 6)]
    assert plan(TEMPLATE, dying, queue=7, now=105.5).create == ()
    assert len(plan(TEMPLATE, dying, queue=7, now=105.0 + LONGEST_PAUSE).create) == 1
    assert plan(TEMPLATE, [*dying, *running(1, 9)], queue=7, now=200.0).create == ()


def test_a_probe_that_lives_longer_than_those_that_died_lets_the_others_start() -> None:
    dying = [ended(i, at=100.0 + i, succeeded=False, took=2.0) for i in range(1, 6)]
    probe = AgentJob(name="ci-agent-6", created=130, started=130, ready=True)
    lived = 130 + POD_START_SECONDS + QUICK_SECONDS
    assert plan(TEMPLATE, [*dying, probe], queue=7, now=lived - 1).create == ()
    assert len(plan(TEMPLATE, [*dying, probe], queue=7, now=lived).create) == 6
    for no_proof in (replace(probe, started=103), replace(probe, ready=False)):
        assert plan(TEMPLATE, [*dying, no_proof], queue=7, now=lived).create == ()


def test_agents_that_died_yesterday_hinder_nobody() -> None:
    dying = [ended(i, at=100.0 + i, succeeded=False, took=2.0) for i in range(1, 6)]
    assert len(plan(TEMPLATE, dying, queue=7, now=80_000.0).create) == 7


def test_one_that_worked_ends_the_probing() -> None:
    jobs = [*(ended(i, at=100.0 + i, succeeded=False, took=2.0) for i in range(1, 6)), ended(6, at=110.0)]
    assert len(plan(TEMPLATE, jobs, queue=7, now=110.5).create) == 7


def test_a_build_that_failed_after_a_while_is_no_agent_that_died_at_once() -> None:
    jobs = [ended(i, at=100.0 + i, succeeded=False, took=60.0) for i in range(1, 6)]
    assert len(plan(TEMPLATE, jobs, queue=7, now=106.0).create) == 7


def test_the_oldest_finished_jobs_above_the_limits_go() -> None:
    good = [ended(i, at=100.0 + i) for i in range(1, 8)]
    bad = [ended(10 + i, at=50.0 + i, succeeded=False) for i in range(1, 4)]
    assert surplus([*good, *bad, *running(2, 20)], succeeded_kept=5, failed_kept=2) == (
        "ci-agent-2", "ci-agent-1", "ci-agent-11",
    )  # fmt: skip


def test_a_job_that_is_on_its_way_out_is_not_deleted_again() -> None:
    lingering = [replace(ended(i), going=True) for i in range(1, 4)]
    assert surplus([*lingering, ended(4), ended(5)], succeeded_kept=1, failed_kept=0) == ("ci-agent-4",)


@pytest.mark.parametrize("number", ["1", "0042", "999999999", "1000000000", "9" * 54])
def test_every_job_that_is_counted_by_its_name_has_a_number_so_that_the_next_name_is_free(number: str) -> None:
    metadata = {"name": f"ci-agent-{number}"}
    assert of_agents(msgspec.convert({"metadata": metadata}, Job))
    (following, *_) = plan(TEMPLATE, [AgentJob(name=metadata["name"], ended=1.0)], queue=1, now=1e6).create
    assert following == int(number) + 1


@given(st.lists(st.integers(1, 30), unique=True), st.integers(0, 3), st.integers(0, 3))
def test_the_highest_number_is_never_deleted(serials: list[int], succeeded: int, failed: int) -> None:
    jobs = [ended(n, at=float(n % 7), succeeded=n % 2 == 0) for n in serials]
    gone = surplus(jobs, succeeded_kept=succeeded, failed_kept=failed)
    assert not serials or f"ci-agent-{max(serials)}" not in gone


def test_a_job_is_the_template_byte_for_byte_counted_by_keda_and_owned_by_the_cron_job() -> None:
    source = cron_job()
    job = job_manifest(TEMPLATE, 8)
    assert job["spec"] == source["spec"]["jobTemplate"]["spec"]
    assert job["metadata"]["labels"][Labels.SCALED_JOB] == "ci-agent"
    assert job["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "CronJob", "name": "ci-agent", "uid": "cron-1"}
    ]


@pytest.mark.parametrize("value", ["", "many", "-1", "1.5", "${ci_agent_max}"])
def test_a_maximum_that_is_no_number_is_refused_by_name(value: str) -> None:
    with pytest.raises(TemplateError, match=r"raibid\.dev/max-agents"):
        template_of(cron_job(most=value))


def test_a_template_without_a_pod_is_refused() -> None:
    with pytest.raises(TemplateError, match="no pod"):
        template_of(cron_job(jobTemplate={"spec": {}}))


def test_a_job_of_kubernetes_is_read() -> None:
    metadata = {"name": "ci-agent-7", "creationTimestamp": "1970-01-01T00:00:10Z"}
    condition = {"type": "Failed", "status": "True", "lastTransitionTime": "1970-01-01T00:01:00Z"}
    interim = {"type": "FailureTarget", "status": "True", "lastTransitionTime": "1970-01-01T00:00:50Z"}
    status = {"startTime": "1970-01-01T00:00:11Z", "conditions": [interim]}
    unfinished = agent_job(msgspec.convert({"metadata": metadata, "status": status}, Job))
    assert unfinished == AgentJob(name="ci-agent-7", created=10, started=11)
    failed = agent_job(
        msgspec.convert({"metadata": metadata, "status": {**status, "conditions": [interim, condition]}}, Job)
    )
    assert failed == replace(unfinished, ended=60)


Turn = st.tuples(st.integers(0, 2), st.sampled_from(["look", "create", "end", "clean"]))


@given(st.lists(Turn, max_size=60), st.integers(0, 20), st.integers(1, 7))
def test_three_controllers_in_any_interleaving_never_have_more_than_max(
    turns: list[tuple[int, str]], queue: int, most: int
) -> None:
    template: Template = replace(TEMPLATE, scaling=replace(TEMPLATE.scaling, max_replicas=most))
    jobs: dict[str, AgentJob] = {}
    intents: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for clock, (who, what) in enumerate(turns, start=1):
        if what == "look":
            intents[who] = list(plan(template, list(jobs.values()), queue=queue, now=1e6).create)
        elif what == "create" and intents[who]:
            name = f"ci-agent-{intents[who].pop(0)}"
            if name in jobs:
                intents[who] = []  # a conflict: look again
            else:
                jobs[name] = AgentJob(name=name, created=clock)
        elif what == "end" and (alive := [job for job in jobs.values() if not job.ended]):
            jobs[alive[0].name] = replace(alive[0], ended=clock, succeeded=True)
        elif what == "clean":
            for name in surplus(list(jobs.values()), succeeded_kept=0, failed_kept=0):
                del jobs[name]
        assert sum(not job.ended for job in jobs.values()) <= most
