"""What KEDA says at its polls, read from its own log; and how a burst's course is judged by times alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.scaler.simulate import Setup, simulate

from tests.cluster.measure.course import Agent, Course, predicted
from tests.cluster.parts.keda import read_polls

LOG: Final = Path(__file__).parent / "fixtures" / "keda.log"
"""Of KEDA 2.21: nothing to do, a burst, everybody at work, Redis away; klog's line and one that is being written."""


def course(*agents: tuple[float, float, float, float], jobs: int, most: int) -> Course:
    made = [Agent(made=m, claimed=c, ended=e, complete=d) for m, c, e, d in agents]
    count = len(made)
    return Course(arrived=0.0, jobs=jobs, most=most, agents=tuple(made), made=count, peak=count, starts=count)


def test_every_poll_is_read_with_what_keda_saw_and_did() -> None:
    polls = list(read_polls(LOG.open()))
    assert [(poll.metric, poll.running, poll.created) for poll in polls] == [
        (0, 0, 0),
        (7, 0, 7),
        (7, 7, 0),
        (None, 7, 0),
    ]
    assert [round(after.at - before.at) for before, after in pairwise(polls)] == [2, 2, 4]


def test_agents_that_are_there_at_once_and_end_with_their_jobs_are_exact() -> None:
    burst = course((0, 1, 5, 6), (0, 1, 5, 6), jobs=2, most=2)
    assert burst.accuracy(burst.moments) == (0, 0)
    assert burst.waits == [1, 1]


def test_a_late_agent_is_undershoot_and_one_too_many_is_overshoot() -> None:
    late = course((5, 5, 10, 11), jobs=1, most=1)
    assert late.accuracy([0, 2, 5, 9]) == (0, 50)
    many = course((0, 0, 4, 5), (0, 0, 4, 5), jobs=2, most=1)
    assert many.accuracy([0, 2]) == (100, 0)


def test_the_simulator_is_given_the_delays_that_were_measured() -> None:
    setup = course((2, 4, 10, 11), (2, 4, 10, 11), jobs=2, most=7).setup
    assert (setup.pod_start, setup.build, setup.completion_lag, setup.max_replicas) == (2, 6, 1, 7)
    assert setup.jitter == 0


@given(st.integers(1, 20), st.integers(1, 8))
def test_a_prediction_makes_an_agent_per_job_and_never_more_than_fit(jobs: int, most: int) -> None:
    said = predicted(course((0, 1, 3, 4), jobs=jobs, most=most))
    assert said.made == jobs
    assert said.peak <= most


def test_a_prediction_is_the_simulator_s_own_mean() -> None:
    burst = course((0, 1, 3, 4), jobs=3, most=2)
    one = simulate((0.0,) * 3, Setup(**{**vars(burst.setup), "seed": 7}))
    assert predicted(burst).wait_p50 == pytest.approx(one.wait_p50, abs=2.0)
