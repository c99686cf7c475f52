"""A repository that does not answer: nothing is final for want of an answer, and it is asked again."""

from __future__ import annotations

import pytest
from raibid.git.errors import GitError
from raibid.gitops.settings import GitopsSettings, Timeouts
from raibid.gitops.watch.outcome import Outcome
from raibid.gitops.watch.patient import Patient
from raibid.gitops.watch.reverts import none_known

from tests.gitops.flux_fake import FakeFlux, followed
from tests.gitops.history import LATER, NEW, OLD, contains


class Forge:
    """Does not answer the first times."""

    def __init__(self, outages: int) -> None:
        self.outages, self.asked = outages, 0

    def contains(self, ancestor: str, descendant: str) -> bool:
        self.asked += 1
        if self.asked <= self.outages:
            raise GitError("git fetch failed: connection reset")
        return contains(ancestor, descendant)


def test_what_is_not_known_is_never_superseded() -> None:
    flux = FakeFlux()
    flux.fetch(NEW).begin("apps", NEW)
    settings = GitopsSettings(timeouts=Timeouts(fetch=0.05))
    goes_on = lambda _: flux.fetch(LATER).apply("apps", LATER)  # noqa: E731
    result = followed(flux, contains=Forge(10**9).contains, tell=goes_on, settings=settings)
    assert (result.outcome, result.timed_out) == (Outcome.NOT_FETCHED, True)
    assert "whether that contains the commit is not known" in result.message
    assert any("connection reset" in note for note in result.notes)


def test_a_source_that_is_switched_off_at_an_unknown_commit_is_not_the_end() -> None:
    flux = FakeFlux()
    flux.fetch(LATER, suspend=True)
    result = followed(flux, contains=Forge(10**9).contains, timeout=0.3)
    assert (result.outcome, result.timed_out) == (Outcome.SUSPENDED, True)


def test_one_outage_is_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raibid.gitops.watch.patient._PAUSES", (0.01,))
    flux = FakeFlux()
    flux.fetch(LATER).apply("apps", LATER)
    assert followed(flux, contains=Forge(2).contains).healthy


def test_in_between_it_is_not_asked() -> None:
    now, forge, notes = [0.0], Forge(2), list[str]()
    patient = Patient(asked=forge.contains, asked_reverts=none_known, clock=lambda: now[0], note=notes.append)
    assert [patient.contains(OLD, NEW) for _ in range(5)] == [None] * 5
    assert forge.asked == 1
    now[0] = patient.again or 0.0
    assert patient.contains(OLD, NEW) is None
    assert (patient.again or 0.0) - now[0] > now[0]
    now[0] = patient.again or 0.0
    assert patient.contains(OLD, NEW) is True
    assert patient.again is None
