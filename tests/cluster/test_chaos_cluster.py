"""Every part of the cluster dies once while jobs run: nothing is lost, nothing is done twice, nothing is left."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest
from raibid.model.job import JobStatus

from tests.cluster.chaos.faults import FEWEST_JOBS, Fault, plan
from tests.cluster.chaos.run import Run
from tests.cluster.chaos.verdict import judged
from tests.cluster.node.node import why_not

JOBS = int(os.environ.get("RAIBID_CHAOS_JOBS", "40"))
"""More in `make chaos-cluster N=200`."""


@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.timeout(900)
def test_no_job_is_lost_or_done_twice_while_every_part_of_the_cluster_dies(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # Not tmp_path, which has the test's name in it: a socket's path may have 104 characters.
    history = Run(JOBS, 1, tmp_path_factory.mktemp("chaos"), lambda *_: None).history()
    assert judged(history) == []
    assert len(history.jobs) == JOBS
    assert {job.status for job in history.jobs.values()} == {JobStatus.SUCCESS}
    assert history.rest.stream == 0
    assert all(history.faults[str(fault)] for fault in Fault)
    assert history.lost_bytes > 0
    assert {hit.signal for hit in history.hits} == {"SIGKILL"}  # of an agent: nothing else excuses a lost lease


def test_a_plan_strikes_every_part_and_follows_from_its_seed_alone() -> None:
    assert {strike.fault for strike in plan(40, 1)} == set(Fault)
    assert plan(200, 7) == plan(200, 7) != plan(200, 8)
    assert all(0 < strike.after < 200 for strike in plan(200, 7))


@pytest.mark.parametrize("jobs", [FEWEST_JOBS, 60, 100, 200])
def test_every_fault_has_jobs_of_its_own_to_strike_however_fast_the_others_end(jobs: int) -> None:
    for seed in range(50):
        strikes = plan(jobs, seed)
        assert all(0 < strike.after <= strike.delivered - 2 * strike.running for strike in strikes)
        assert all(later.delivered - one.delivered >= 2 * later.running for one, later in pairwise(strikes))
        assert strikes[-1].delivered == jobs
