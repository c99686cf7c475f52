"""KEDA's arithmetic: its own test vectors, and what must hold for every number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.scaler.arithmetic import (
    Scaling,
    Strategy,
    accurate_strategy,
    custom_strategy,
    default_strategy,
    eager_strategy,
    jobs_to_create,
    max_scale,
)

counts = st.integers(0, 200)
scalings = st.builds(
    Scaling, max_replicas=st.none() | counts, min_replicas=counts, target=st.integers(1, 20), activation=counts
)


# KEDA scale_jobs_test.go: GetEffectiveMaxScale(maxScale, running, pending, max), one line per vector.


@pytest.mark.parametrize(("wanted", "running", "effective"), [(3, 2, 1), (2, 0, 2)])
def test_default_agrees_with_keda(wanted: int, running: int, effective: int) -> None:
    assert default_strategy(wanted, running) == effective


@pytest.mark.parametrize(
    ("wanted", "running", "maximum", "deduction", "percentage", "effective"),
    [(3, 2, 5, 1, 0.5, 1), (10, 0, 10, 1, 0.5, 9), (3, 2, 5, 2, 0.0, 1), (3, 2, 4, -2, 0.0, 4)],
)
def test_custom_agrees_with_keda(
    wanted: int, running: int, maximum: int, deduction: int, percentage: float, effective: int
) -> None:
    assert custom_strategy(wanted, running, maximum, deduction, percentage) == effective


@pytest.mark.parametrize(
    ("wanted", "running", "pending", "maximum", "effective"),
    [(3, 2, 0, 5, 3), (5, 2, 0, 5, 3), (3, 4, 2, 10, 1), (5, 4, 2, 5, 1)],
)
def test_accurate_agrees_with_keda(wanted: int, running: int, pending: int, maximum: int, effective: int) -> None:
    assert accurate_strategy(wanted, running, pending, maximum) == effective


@pytest.mark.parametrize(
    ("wanted", "running", "pending", "effective"),
    [(4, 3, 0, 4), (4, 0, 3, 4), (4, 7, 0, 3), (4, 1, 6, 3), (15, 0, 0, 10)],
)
def test_eager_agrees_with_keda(wanted: int, running: int, pending: int, effective: int) -> None:
    assert eager_strategy(wanted, running, pending, 10) == effective


@pytest.mark.parametrize(
    ("metric", "target", "maximum", "wanted"),
    [(0, 1, 10, 0), (1, 1, 10, 1), (11, 1, 10, 10), (1, 5, 10, 1), (6, 5, 10, 2), (-1, 1, 10, -1), (3, 0, 10, 0)],
)
def test_one_agent_per_target_rounded_up_and_cut_at_max(metric: int, target: int, maximum: int, wanted: int) -> None:
    assert max_scale(metric, target, maximum) == wanted


@pytest.mark.parametrize(
    ("metric", "running", "created"),
    [(0, 0, 0), (1, 0, 1), (1, 1, 0), (5, 2, 3), (20, 0, 10), (20, 10, 0), (-1, 0, 0), (3, 9, 0)],
)
def test_default_creates_what_is_missing(metric: int, running: int, created: int) -> None:
    assert jobs_to_create(Scaling(max_replicas=10), metric=metric, running=running) == created


def test_an_unset_max_is_keda_s_hundred_and_the_minimum_comes_on_top() -> None:
    assert Scaling(min_replicas=5).most == 105
    assert Scaling(max_replicas=10, min_replicas=5).most == 10


def test_a_minimum_above_max_doubles_max() -> None:
    scaling = Scaling(max_replicas=10, min_replicas=11)
    assert jobs_to_create(scaling, metric=0, running=0) == 10
    assert jobs_to_create(scaling, metric=50, running=10) == 10
    assert scaling.most == 20


def test_warm_agents_are_filled_up_before_the_queue_is_looked_at() -> None:
    scaling = Scaling(max_replicas=10, min_replicas=2)
    assert jobs_to_create(scaling, metric=7, running=0) == 2
    assert jobs_to_create(scaling, metric=7, running=2) == 7


def test_custom_without_a_readable_percentage_is_default() -> None:
    scaling = Scaling(max_replicas=10, strategy=Strategy.CUSTOM, running_percentage=None)
    assert jobs_to_create(scaling, metric=5, running=3) == 2


def test_custom_goes_beyond_max() -> None:
    scaling = Scaling(max_replicas=10, strategy=Strategy.CUSTOM, running_percentage=0.5)
    assert 10 + jobs_to_create(scaling, metric=20, running=10) > 10


def test_accurate_before_2_19_overshoots_near_max_with_slow_pods() -> None:
    """#7329: 7 jobs, 7 pods still pending, max 10."""
    created = [
        jobs_to_create(
            Scaling(max_replicas=10, strategy=Strategy.ACCURATE, accurate_sees_pending=sees),
            metric=7, running=7, pending=7,
        )
        for sees in (False, True)
    ]  # fmt: skip
    assert created == [3, 0]


@given(scalings, st.integers(-1, 500), counts)
def test_default_never_has_more_alive_than_its_most(scaling: Scaling, metric: int, running: int) -> None:
    created = jobs_to_create(scaling, metric=metric, running=running)
    assert created >= 0
    assert running + created <= max(running, scaling.most)


@given(counts, st.integers(1, 50), counts)
def test_default_on_unfinished_jobs_is_exact(unfinished: int, maximum: int, surplus: int) -> None:
    wanted = min(unfinished, maximum)
    running = min(surplus, wanted)
    created = jobs_to_create(Scaling(max_replicas=maximum), metric=unfinished, running=running)
    assert running + created == wanted


@given(scalings, st.integers(-1, 500), counts)
def test_a_second_look_at_the_same_queue_creates_nothing_more(scaling: Scaling, metric: int, running: int) -> None:
    full = running
    for _ in range(2):  # the first fills up the warm agents, the second serves the queue
        full += jobs_to_create(scaling, metric=metric, running=full)
    assert jobs_to_create(scaling, metric=metric, running=full) == 0


@given(
    st.sampled_from(Strategy), st.integers(-1, 500), counts, counts, st.none() | st.floats(-1, 2), st.integers(-9, 9)
)
def test_no_strategy_ever_creates_a_negative_number_or_more_than_max_at_once(
    strategy: Strategy, metric: int, running: int, pending: int, percentage: float | None, deduction: int
) -> None:
    scaling = Scaling(max_replicas=10, strategy=strategy, running_percentage=percentage, deduction=deduction)
    assert 0 <= jobs_to_create(scaling, metric=metric, running=running, pending=pending) <= 10
