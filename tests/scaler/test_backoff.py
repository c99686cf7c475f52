"""Agents that fail as soon as they start are not started again and again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from raibid.scaler.backoff import FORGOTTEN_SECONDS, LONGEST_PAUSE, QUICK_SECONDS, TOLERATED, Backoff


def failed(times: int, now: float = 0.0) -> Backoff:
    state = Backoff()
    for _ in range(times):
        state = state.after(exit_code=1, lifetime=0.1, now=now)
    return state


def test_single_failures_change_nothing() -> None:
    assert failed(TOLERATED - 1).allowed(4, running=0, now=0.0) == 4


def test_nothing_starts_during_the_pause_and_one_probe_after_it() -> None:
    state = failed(TOLERATED)
    assert state.allowed(4, running=0, now=0.0) == 0
    assert state.allowed(4, running=0, now=state.until) == 1
    assert state.allowed(4, running=1, now=state.until) == 0


def test_an_agent_that_works_ends_the_pause() -> None:
    for good in ({"exit_code": 0, "lifetime": 0.1}, {"exit_code": 1, "lifetime": QUICK_SECONDS}):
        state = failed(9).after(now=0.0, exit_code=int(good["exit_code"]), lifetime=good["lifetime"])
        assert not state.active
        assert state.allowed(4, running=0, now=0.0) == 4


def test_a_probe_that_lives_ends_the_pause_before_it_ends_itself() -> None:
    state = failed(TOLERATED, now=100.0)
    probe, later = state.until, state.until + QUICK_SECONDS
    assert state.at(later - 0.1, alive=[probe]) == state
    assert state.at(later, alive=[probe]).allowed(4, running=1, now=later) == 4
    assert state.at(later, alive=[99.0]) == state, "one from before the failures shows nothing"


def test_failures_are_forgotten_when_nobody_has_probed_for_long() -> None:
    state = failed(TOLERATED, now=100.0)
    assert state.at(100.0 + LONGEST_PAUSE).active
    assert not state.at(100.0 + FORGOTTEN_SECONDS).active


@given(st.integers(TOLERATED, 1000), st.floats(0, 1e6))
def test_pauses_grow_and_are_bounded(times: int, now: float) -> None:
    pause = failed(times, now).until - now
    assert failed(TOLERATED, now).until - now <= pause + 1e-6
    assert 0 < pause <= LONGEST_PAUSE + 1e-6
