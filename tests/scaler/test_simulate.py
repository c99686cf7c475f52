"""The simulator reproduces the shape of the table that decided the design (spec/queue.md 1.3)."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raibid.scaler.arithmetic import Strategy
from raibid.scaler.arrivals import Arrivals, burst, from_lines, parse_arrivals, poisson, steady
from raibid.scaler.errors import ArrivalsError
from raibid.scaler.render import format_simulation, simulation_json
from raibid.scaler.simulate import Metric, Setup, percentile, simulate

TABLE = Setup(max_replicas=10, poll=10.0, pod_start=3.0)
"""The table's conditions, with the protocol and trigger that were chosen (row Q*)."""
STEADY = steady(110, 15.0)
SEEDS = range(5)


@pytest.mark.parametrize("jobs", [1, 5, 20, 100])
@pytest.mark.parametrize("seed", SEEDS)
def test_stream_length_with_default_makes_one_agent_per_job_and_wastes_none(jobs: int, seed: int) -> None:
    result = simulate(burst(jobs), replace(TABLE, seed=seed))
    assert (result.done, result.agents, result.wasted, result.overshoot) == (jobs, jobs, 0, 0.0)
    assert result.undershoot < 2.0
    assert result.peak <= 10


@pytest.mark.parametrize("seed", SEEDS)
def test_a_steady_stream_of_110_jobs_makes_110_agents(seed: int) -> None:
    result = simulate(STEADY, replace(TABLE, seed=seed))
    assert (result.done, result.agents, result.wasted, result.overshoot) == (110, 110, 0, 0.0)
    assert result.undershoot < 2.0


@pytest.mark.parametrize("strategy", [Strategy.DEFAULT, Strategy.ACCURATE, Strategy.EAGER])
@pytest.mark.parametrize("jobs", [1, 5, 20, 100])
def test_pending_entries_never_start_an_agent(strategy: Strategy, jobs: int) -> None:
    result = simulate(burst(jobs), replace(TABLE, metric=Metric.PENDING_ENTRIES, target=5, strategy=strategy))
    assert (result.agents, result.done, result.undershoot) == (0, 0, 100.0)
    assert math.isnan(result.wait_p50)


def test_lag_with_default_starves_new_work_while_old_work_runs() -> None:
    result = simulate(STEADY, replace(TABLE, metric=Metric.LAG))
    assert result.done == 110
    assert result.undershoot > 30.0


@pytest.mark.parametrize("seed", SEEDS)
def test_lag_with_accurate_is_exact_until_an_agent_dies(seed: int) -> None:
    setup = replace(TABLE, metric=Metric.LAG, strategy=Strategy.ACCURATE, seed=seed)
    assert simulate(burst(20), setup).done == 20
    crashing = simulate(burst(20), replace(setup, crash=0.5))
    assert crashing.crashed > 0
    assert crashing.done < 20


@pytest.mark.parametrize("seed", SEEDS)
def test_stream_length_brings_back_the_jobs_of_dead_agents_without_waste(seed: int) -> None:
    result = simulate(burst(20), replace(TABLE, crash=0.25, seed=seed))
    assert (result.done, result.wasted) == (20, 0)
    assert result.agents == 20 + result.crashed


def test_an_acknowledged_entry_that_is_not_deleted_starts_agents_for_ever() -> None:
    result = simulate(burst(5), replace(TABLE, deletes=False))
    assert result.done == 5
    assert result.wasted > 50


@pytest.mark.parametrize("strategy", [Strategy.ACCURATE, Strategy.EAGER])
def test_strategies_for_metrics_without_jobs_in_flight_overshoot_on_the_stream_length(strategy: Strategy) -> None:
    result = simulate(STEADY, replace(TABLE, strategy=strategy, patience=5.0))
    assert result.agents > 4 * 110
    assert result.overshoot > 50


def test_custom_has_twenty_agents_alive_at_a_maximum_of_ten() -> None:
    setup = replace(TABLE, strategy=Strategy.CUSTOM, running_percentage=0.5, patience=5.0)
    assert simulate(burst(20), setup).peak == 20


def test_a_warm_agent_takes_the_wait_away() -> None:
    cold, warm = (simulate(STEADY, replace(TABLE, poll=2.0, pod_start=2.0, min_replicas=n)) for n in (0, 1))
    assert cold.wait_p95 > 4 > 1 > warm.wait_p50
    assert warm.peak <= 10


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0, 600), min_size=1, max_size=40),
    st.integers(1, 12), st.floats(0.5, 30), st.floats(0, 0.6), st.integers(0, 2**32),
)  # fmt: skip
def test_the_chosen_design_finishes_every_job_and_never_exceeds_max(
    times: list[float], maximum: int, poll: float, crash: float, seed: int
) -> None:
    setup = Setup(max_replicas=maximum, poll=poll, crash=crash, seed=seed, horizon=1e9)
    result = simulate(tuple(times), setup)
    assert result.done == len(times)
    assert result.peak <= maximum
    assert result.overshoot == 0.0


@given(st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_the_same_seed_gives_the_same_result(seed: int) -> None:
    setup = Setup(crash=0.3, seed=seed)
    assert simulate(burst(10), setup) == simulate(burst(10), setup)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(v <= found for v in values) >= share * len(values) - 1e-6


def test_nothing_arriving_is_no_error() -> None:
    result = simulate((), Setup())
    assert (result.jobs, result.agents) == (0, 0)
    assert math.isnan(result.wait_p95)


# --- arrival patterns ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("notation", "arrivals"),
    [("burst:3", burst(3)), ("steady:3/15", (0.0, 15.0, 30.0)), ("poisson:4/30", poisson(4, 30.0, seed=0))],
)
def test_patterns_have_a_short_notation(notation: str, arrivals: Arrivals) -> None:
    assert parse_arrivals(notation) == arrivals


@pytest.mark.parametrize(
    "notation", ["burst:", "burst:-1", "burst:0", "steady:3", "steady:3/0", "poisson:3/nan", "no-such-file"]
)
def test_a_wrong_pattern_is_refused_with_the_notation(notation: str) -> None:
    with pytest.raises(ArrivalsError, match=notation):
        parse_arrivals(notation)


def test_a_file_may_hold_seconds_or_times_and_starts_at_zero(tmp_path: Path) -> None:
    path = tmp_path / "pushes"
    path.write_text("# Monday\n2026-03-02T09:00:10+00:00\n2026-03-02T09:00:00+00:00  # the first\n\n")
    assert parse_arrivals(str(path)) == (0.0, 10.0)
    assert from_lines("7\n5.5\n") == (0.0, 1.5)


@pytest.mark.parametrize("word", ["soon", "nan", "inf", "1e999"])
def test_a_bad_timestamp_is_named_with_its_line(word: str) -> None:
    with pytest.raises(ArrivalsError, match=r"pushes:2: "):
        from_lines(f"1\n{word}\n", source="pushes")


# --- reports ------------------------------------------------------------------------------------------------


def test_a_report_shows_waits_agents_and_accuracy() -> None:
    text = format_simulation(simulate(burst(5), TABLE), TABLE)
    for word in ("5 of 5", "5 made, 0 wasted", "wait p95", "overshoot   0.0 %"):
        assert word in text


def test_a_wait_that_does_not_exist_is_a_dash_and_null() -> None:
    setup = replace(TABLE, metric=Metric.PENDING_ENTRIES)
    result = simulate(burst(1), setup)
    assert "wait p50    -" in format_simulation(result, setup)
    assert '"wait_p50":null' in simulation_json(result, setup)
