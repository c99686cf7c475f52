"""The mirrors' book: no wish is lost, and nobody looks twice at once."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raibid.ledger import Ledger
from raibid.ledger.mirrors import Announced, Pledge
from raibid.model.mirror import MirrorRecord, MirrorState

NAME = "acme/anvil"
RECORD = MirrorRecord(source="https://github.com/acme/anvil.git")
SEEN = MirrorRecord(source="https://github.com/acme/anvil.git", state=MirrorState.VERIFIED)


@pytest.fixture
def due(ledger: Ledger) -> Ledger:
    """A book with one mirror, due at 100."""
    ledger.mirrors.record(NAME, RECORD)
    ledger.mirrors.enrol([NAME], 100.0)
    return ledger


def take(ledger: Ledger, now: float) -> Pledge:
    pledge = ledger.mirrors.take(now, 60.0)
    assert pledge
    return pledge


def taken(ledger: Ledger, now: float) -> str:
    """Whose turn it is; empty: nobody's."""
    pledge = ledger.mirrors.take(now, 60.0)
    return pledge.name if pledge else ""


def test_a_record_comes_back_as_it_was_put(ledger: Ledger) -> None:
    record = MirrorRecord(source="https://github.com/acme/anvil.git", state=MirrorState.BEHIND, behind=17.5, errors=2)
    ledger.mirrors.record(NAME, record)
    assert ledger.mirrors.get(NAME) == record
    assert ledger.mirrors.all() == {NAME: record}
    assert ledger.mirrors.get("acme/rocket") is None


def test_a_new_mirror_is_due_at_once_and_a_known_one_keeps_its_time(due: Ledger) -> None:
    assert taken(due, 100.0) == NAME
    due.mirrors.enrol([NAME], 101.0)
    assert taken(due, 101.0) == ""


def test_the_longest_overdue_is_taken_first(ledger: Ledger) -> None:
    ledger.mirrors.enrol(["acme/late"], 50.0)
    ledger.mirrors.enrol(["acme/soon"], 90.0)
    ledger.mirrors.enrol(["acme/never"], 900.0)
    assert [taken(ledger, 100.0) for _ in range(3)] == ["acme/late", "acme/soon", ""]


def test_one_that_was_taken_is_due_again_when_its_process_died_for_as_long_as_it_has_waited(due: Ledger) -> None:
    take(due, 110.0)
    assert taken(due, 169.0) == ""
    again = take(due, 170.0)
    assert (again.name, again.since) == (NAME, 100.0)


def test_a_look_that_goes_on_stays_with_who_looks(due: Ledger) -> None:
    pledge = take(due, 100.0)
    assert due.mirrors.hold(pledge, 220.0)
    assert taken(due, 219.0) == ""
    other = take(due, 220.0)
    assert not due.mirrors.hold(pledge, 900.0)
    assert due.mirrors.hold(other, 900.0)


def test_nobody_takes_a_mirror_that_is_asked_for_while_it_is_being_looked_at(due: Ledger) -> None:
    take(due, 100.0)
    due.mirrors.ask(NAME, 105.0)
    assert taken(due, 110.0) == ""


def test_a_wish_during_a_look_stands_when_the_look_ends(due: Ledger) -> None:
    pledge = take(due, 100.0)
    due.mirrors.ask(NAME, 105.0)
    due.mirrors.ask(NAME, 107.0)
    assert due.mirrors.looked(pledge, 900.0, SEEN)
    again = take(due, 108.0)
    assert (again.name, again.since) == (NAME, 105.0)


def test_who_was_too_slow_overwrites_nothing_that_is_known_since(due: Ledger) -> None:
    slow = take(due, 100.0)
    quick = take(due, 160.0)
    assert not due.mirrors.looked(slow, 900.0, RECORD)
    assert due.mirrors.looked(quick, 900.0, SEEN)
    assert not due.mirrors.looked(slow, 900.0, RECORD)
    assert due.mirrors.get(NAME) == SEEN


def test_after_a_look_it_is_due_when_it_was_said(due: Ledger) -> None:
    assert due.mirrors.looked(take(due, 100.0), 900.0, SEEN)
    assert due.mirrors.get(NAME) == SEEN
    assert [taken(due, 899.0), taken(due, 900.0)] == ["", NAME]


def test_a_look_that_came_to_nothing_is_due_as_before_and_says_nothing(due: Ledger) -> None:
    assert due.mirrors.give_back(take(due, 110.0))
    assert due.mirrors.get(NAME) == RECORD
    assert take(due, 111.0).since == 100.0


def test_a_wish_never_puts_a_look_off(due: Ledger) -> None:
    due.mirrors.ask(NAME, 500.0)
    assert taken(due, 100.0) == NAME


def test_what_was_announced_stands_until_a_look_has_done_with_it(due: Ledger) -> None:
    due.mirrors.ask(NAME, 105.0, "refs/heads/main", "a1")
    due.mirrors.ask(NAME, 106.0, "refs/tags/v1", "b1")
    pledge = take(due, 110.0)
    assert pledge.announced == {"refs/heads/main": Announced("a1", 105.0), "refs/tags/v1": Announced("b1", 106.0)}
    due.mirrors.ask(NAME, 111.0, "refs/heads/main", "a2")  # the older one is not what is waited for any more
    due.mirrors.looked(pledge, 900.0, SEEN, {"refs/heads/main": "a1", "refs/tags/v1": "b1"})
    pledge = take(due, 112.0)
    assert pledge.announced == {"refs/heads/main": Announced("a2", 111.0)}
    due.mirrors.looked(pledge, 900.0, SEEN, {"refs/heads/main": "a2"})
    assert take(due, 900.0).announced == {}


def test_a_mirror_that_is_no_more_is_neither_known_nor_due_nor_brought_back(due: Ledger) -> None:
    pledge = take(due, 100.0)
    due.mirrors.forget([NAME])
    assert not due.mirrors.looked(pledge, 900.0, SEEN)
    assert not due.mirrors.ask(NAME, 200.0)
    assert taken(due, 10_000.0) == ""
    assert due.mirrors.all() == {}


STEPS = st.lists(st.sampled_from(["ask", "take", "hold", "looked", "give back", "die", "later"]), max_size=30)


@given(STEPS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_whatever_happens_one_looks_at_a_time_and_a_wish_is_looked_at(ledger: Ledger, steps: list[str]) -> None:
    ledger.mirrors.forget([NAME])
    ledger.mirrors.record(NAME, RECORD)
    ledger.mirrors.enrol([NAME], 0.0)
    now, held, until, wished = 0.0, None, 0.0, False
    for step in steps:
        now += 1
        if step == "ask":
            wished = ledger.mirrors.ask(NAME, now)
        elif step == "take" and (pledge := ledger.mirrors.take(now, 60.0)):
            assert held is None or now >= until, "two at once"
            held, until, wished = pledge, now + 60, False
        elif step == "hold" and held and ledger.mirrors.hold(held, now + 60):
            until = now + 60
        elif step == "looked" and held:
            assert ledger.mirrors.looked(held, now + 1000, SEEN)
            held = None
        elif step == "give back" and held:
            assert ledger.mirrors.give_back(held)
            held, wished = None, True
        elif step == "die":
            held = None if now >= until else held
        elif step == "later":
            now += 30
    if wished:
        assert take(ledger, max(now, until)).since <= now
