"""The lease: renewed while it can be, lost by the agent's own clock when nobody answers."""

from __future__ import annotations

import threading
import time

from raibid.ledger import Beat, LedgerUnavailableError, Timing
from raibid.worker import lease as lease_module
from raibid.worker.lease import Lease
from raibid.worker.stop import Stop, StopReason

from tests.worker.conftest import Fresh


def test_a_cancel_is_passed_on_and_the_lease_goes_on(stop: Stop) -> None:
    answers = iter([Beat.OK, Beat.CANCEL])
    later = threading.Event()

    def beat() -> Beat:
        answer = next(answers, None)
        if answer is None:
            later.set()
        return answer or Beat.CANCEL

    with Lease(beat, Timing(5.0, 0.01), stop, since=time.monotonic()):
        assert stop.wait(10)
        assert later.wait(10)
    assert stop.reason is StopReason.CANCELLED


def test_stale_overrides_what_was_asked_before(stop: Stop) -> None:
    stop.request(StopReason.TERMINATED)
    with Lease(lambda: Beat.STALE, Timing(5.0, 0.01), stop, since=time.monotonic()) as lease:
        deadline = time.monotonic() + 10
        while stop.reason is not StopReason.STALE:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert lease is not None


def test_a_lease_that_nobody_renews_is_lost(stop: Stop) -> None:
    def away() -> Beat:
        raise LedgerUnavailableError("no Redis")

    with Lease(away, Timing(0.2, 0.05), stop, since=time.monotonic()):
        assert stop.wait(10)
    assert stop.reason is StopReason.STALE


def test_a_beat_that_hangs_does_not_hide_a_lost_lease(stop: Stop) -> None:
    released = threading.Event()

    def hang() -> Beat:
        released.wait(30)
        return Beat.OK

    with Lease(hang, Timing(0.2, 0.05), stop, since=time.monotonic()):
        assert stop.wait(10)
    released.set()
    assert stop.reason is StopReason.STALE


def test_a_ledger_that_comes_back_in_time_costs_nothing(stop: Stop) -> None:
    calls = 0
    enough = threading.Event()

    def flaky() -> Beat:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise LedgerUnavailableError("no Redis")
        enough.set()
        return Beat.OK

    with Lease(flaky, Timing(30.0, 0.01), stop, since=time.monotonic()):
        assert enough.wait(10)
    assert stop.reason is None


def test_an_answer_after_the_end_of_the_lease_asks_for_nothing(stop: Stop) -> None:
    asked, released = threading.Event(), threading.Event()

    def late() -> Beat:
        asked.set()
        released.wait(30)
        return Beat.CANCEL

    with Lease(late, Timing(30.0, 0.01), stop, since=time.monotonic()):
        assert asked.wait(10)
    released.set()
    for thread in threading.enumerate():
        if thread.name == "lease-beat":
            thread.join(10)
    assert stop.reason is None


def test_a_leaping_wall_clock_neither_ends_nor_prolongs_a_lease(leaping: Fresh, stop: Stop) -> None:
    beats, enough = 0, threading.Event()

    def beat() -> Beat:
        nonlocal beats
        beats += 1
        if beats > 3:
            enough.set()
            raise LedgerUnavailableError("no Redis")
        return Beat.OK

    with leaping(lease_module).Lease(beat, Timing(1.0, 0.05), stop, since=time.monotonic()):
        assert enough.wait(10)
        assert stop.reason is None
        assert stop.wait(10)
    assert stop.reason is StopReason.STALE
