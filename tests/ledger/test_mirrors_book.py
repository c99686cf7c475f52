"""The mirrors' book: no wish is lost, and nobody looks twice at once."""

from __future__ import annotations

from raibid.ledger import Ledger
from raibid.model.mirror import MirrorRecord, MirrorState

NAME = "acme/anvil"


def test_a_record_comes_back_as_it_was_put(ledger: Ledger) -> None:
    record = MirrorRecord(source="https://github.com/acme/anvil.git", state=MirrorState.BEHIND, behind=17.5, errors=2)
    ledger.mirrors.record(NAME, record)
    assert ledger.mirrors.get(NAME) == record
    assert ledger.mirrors.all() == {NAME: record}
    assert ledger.mirrors.get("acme/rocket") is None


def test_a_new_mirror_is_due_at_once_and_a_known_one_keeps_its_time(ledger: Ledger) -> None:
    ledger.mirrors.enrol([NAME], 100.0)
    assert ledger.mirrors.take(100.0, 60.0, 9) == {NAME: 160_000}
    ledger.mirrors.enrol([NAME], 101.0)
    assert ledger.mirrors.take(101.0, 60.0, 9) == {}


def test_the_longest_overdue_is_taken_first(ledger: Ledger) -> None:
    ledger.mirrors.enrol(["acme/late"], 50.0)
    ledger.mirrors.enrol(["acme/soon"], 90.0)
    ledger.mirrors.enrol(["acme/never"], 900.0)
    assert list(ledger.mirrors.take(100.0, 60.0, 1)) == ["acme/late"]
    assert list(ledger.mirrors.take(100.0, 60.0, 9)) == ["acme/soon"]


def test_one_that_was_taken_is_due_again_when_its_process_died(ledger: Ledger) -> None:
    ledger.mirrors.enrol([NAME], 100.0)
    ledger.mirrors.take(100.0, 60.0, 9)
    assert ledger.mirrors.take(159.0, 60.0, 9) == {}
    assert ledger.mirrors.take(160.0, 60.0, 9) == {NAME: 220_000}


def test_a_wish_during_a_look_stands_when_the_look_ends(ledger: Ledger) -> None:
    ledger.mirrors.enrol([NAME], 100.0)
    pledge = ledger.mirrors.take(100.0, 60.0, 9)[NAME]
    ledger.mirrors.ask(NAME, 105.0)
    assert not ledger.mirrors.looked(NAME, pledge, 900.0)
    assert ledger.mirrors.take(105.0, 60.0, 9) == {NAME: 165_000}


def test_after_a_look_it_is_due_when_it_was_said(ledger: Ledger) -> None:
    ledger.mirrors.enrol([NAME], 100.0)
    pledge = ledger.mirrors.take(100.0, 60.0, 9)[NAME]
    assert ledger.mirrors.looked(NAME, pledge, 900.0)
    assert ledger.mirrors.take(899.0, 60.0, 9) == {}
    assert list(ledger.mirrors.take(900.0, 60.0, 9)) == [NAME]


def test_a_wish_never_puts_a_look_off(ledger: Ledger) -> None:
    ledger.mirrors.enrol([NAME], 100.0)
    ledger.mirrors.ask(NAME, 500.0)
    assert list(ledger.mirrors.take(100.0, 60.0, 9)) == [NAME]


def test_a_mirror_that_is_no_more_is_neither_known_nor_due_nor_brought_back_by_its_last_look(ledger: Ledger) -> None:
    ledger.mirrors.enrol([NAME], 100.0)
    ledger.mirrors.record(NAME, MirrorRecord(source="https://github.com/acme/anvil.git"))
    pledge = ledger.mirrors.take(100.0, 60.0, 9)[NAME]
    ledger.mirrors.forget([NAME])
    assert not ledger.mirrors.looked(NAME, pledge, 900.0)
    assert ledger.mirrors.take(10_000.0, 60.0, 9) == {}
    assert ledger.mirrors.all() == {}
