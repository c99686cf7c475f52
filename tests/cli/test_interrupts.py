"""Signals interrupt what may be interrupted, and nothing else."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from raibid.cli.interrupts import Interrupts

INTERRUPTING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Told:
    """How often a signal came where none is welcome."""

    times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def interrupts(told: Told) -> Iterator[Interrupts]:
    with Interrupts(told) as installed:
        yield installed


def nothing() -> None:
    """No child to look at."""


def twice(first: signal.Signals) -> None:
    """A signal, and Ctrl-C while what it interrupted cleans up."""
    try:
        signal.raise_signal(first)
    finally:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", INTERRUPTING)
def test_a_signal_interrupts_a_welcome_block(number: signal.Signals, interrupts: Interrupts, told: Told) -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.welcome(nothing):
        signal.raise_signal(number)
    assert told.times == 0


def test_the_ending_after_a_block_is_not_interrupted_however_the_block_ended(
    interrupts: Interrupts, told: Told
) -> None:
    with interrupts.welcome(nothing):
        pass
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(ValueError, match="broken"), interrupts.welcome(nothing):
        raise ValueError("broken")
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interrupts.welcome(nothing):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    assert told.times == 3


def test_a_block_is_interrupted_once_and_its_own_cleaning_up_is_not(interrupts: Interrupts, told: Told) -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.welcome(nothing):
        twice(signal.SIGINT)
    assert told.times == 1


def test_what_is_half_started_is_interrupted_when_it_is_started(interrupts: Interrupts) -> None:
    started = []

    def start() -> None:
        with interrupts.held():
            signal.raise_signal(signal.SIGTERM)
            started.append("whole")
        started.append("more")

    with pytest.raises(KeyboardInterrupt), interrupts.welcome(nothing):
        start()
    assert started == ["whole"]


def test_the_end_of_a_child_is_looked_at_where_it_is_welcome(interrupts: Interrupts, told: Told) -> None:
    def look() -> None:
        raise ValueError("a part died")

    signal.raise_signal(signal.SIGCHLD)
    with pytest.raises(ValueError, match="a part died"), interrupts.welcome(look):
        twice(signal.SIGCHLD)
    assert told.times == 1


def test_afterwards_the_handlers_are_as_before() -> None:
    before = [signal.getsignal(number) for number in INTERRUPTING]
    with Interrupts(nothing):
        assert [signal.getsignal(number) for number in INTERRUPTING] != before
    assert [signal.getsignal(number) for number in INTERRUPTING] == before
