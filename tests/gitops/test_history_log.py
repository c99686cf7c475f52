"""Git's log, Flux' history and events as one list: which commit landed when, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.cluster import Happening
from raibid.gitops.history.appliers import of_application, of_kustomization
from raibid.gitops.history.log import Applier, Reconciled, Row, State, log
from raibid.gitops.rollback.commits import Commit

from tests.gitops.junk import JUNK

BEGIN = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
APPS = "Kustomization/flux-system/apps"


def at(minutes: float) -> datetime:
    return BEGIN + timedelta(minutes=minutes)


def commit(name: str, minutes: float, message: str = "change", *, file: str = "apps/web.yaml") -> Commit:
    return Commit(name * 40, at(minutes), "Dev", message, (file,))


def tried(name: str, *, succeeded: bool, first: float, last: float) -> Reconciled:
    return Reconciled(name * 40, succeeded, at(first), at(last))


def apps(applied: str, attempted: str = "", *entries: Reconciled, ready: str = "True", warnings: Any = ()) -> Applier:
    return Applier(
        name=APPS,
        files=frozenset({"apps/web.yaml"}),
        applied=applied * 40,
        attempted=(attempted or applied) * 40,
        ready=ready,
        message="HealthCheckFailed: timeout",
        history=entries,
        happenings=tuple(warnings),
    )


def row(name: str, commits: list[Commit], *appliers: Applier) -> Row:
    return next(row for row in log(commits, appliers) if row.commit == name * 40)


A, B, C = commit("a", 0), commit("b", 10), commit("c", 20)
FAILED = tried("b", succeeded=False, first=11, last=12)


def test_a_commit_lands_when_what_contains_it_first_passed() -> None:
    found = row("b", [C, B, A], apps("c", "", tried("c", succeeded=True, first=21, last=40),
                                     tried("b", succeeded=True, first=10.5, last=20)))  # fmt: skip
    assert (found.state, found.landed, found.after) == (State.LANDED, at(10.5), timedelta(minutes=0.5))


def test_of_manifests_that_had_landed_before_only_the_latest_time_is_known() -> None:
    found = row("c", [C, B, A], apps("c", "", tried("c", succeeded=True, first=1, last=21)))
    assert found.state is State.LANDED
    assert found.landed is None
    assert (found.landings[0].at, found.landings[0].exact) == (at(21), False)


def test_what_flux_has_forgotten_has_landed_at_no_known_time() -> None:
    found = row("a", [C, B, A], apps("c"))
    assert (found.state, found.landed, found.after) == (State.LANDED, None, None)


def test_a_commit_that_fails_says_why() -> None:
    found = row("b", [B, A], apps("a", "b", FAILED, ready="False"))
    assert (found.state, found.message) == (State.FAILING, "HealthCheckFailed: timeout")


@pytest.mark.parametrize(("attempted", "state"), [("a", State.PENDING), ("b", State.TRYING)])
def test_a_commit_that_is_not_done_is_not_landed(attempted: str, state: State) -> None:
    assert row("b", [B, A], apps("a", attempted, ready="Unknown")).state is state


MENDED = tried("d", succeeded=True, first=31, last=32)


@pytest.mark.parametrize(("last", "entries"), [("a", [FAILED]), ("d", [MENDED, FAILED])], ids=["failing", "mended"])
def test_a_failed_commit_is_superseded_by_the_next_one(last: str, entries: list[Reconciled]) -> None:
    found = row("b", [commit("d", 30), C, B, A], apps(last, "d", *entries, ready="False"))
    assert (found.state, found.by) == (State.SUPERSEDED, "c" * 40)


def test_a_build_that_failed_left_no_entry_but_an_event() -> None:
    warnings = [
        Happening("Warning", "BuildFailed", "too early", at(9).isoformat()),
        Happening("Normal", "Progressing", "no warning", at(11).isoformat()),
        Happening("Warning", "BuildFailed", "yaml: line 7", at(11).isoformat()),
        Happening("Warning", "BuildFailed", "somebody else's clock", "yesterday"),
    ]
    found = row("b", [C, B, A], apps("c", "", warnings=warnings))
    assert (found.state, found.message) == (State.SUPERSEDED, "BuildFailed: yaml: line 7")


@pytest.mark.parametrize("words", ["Reverts: {0}", "Revert it\n\nThis reverts commit {0}.\n\nReason: bad"])
def test_what_was_taken_back_says_by_whom(words: str) -> None:
    back = commit("c", 20, "Roll back\n\n" + words.format("b" * 40))
    commits = [back, B, A]
    assert (row("b", commits).state, row("b", commits).by) == (State.REVERTED, "c" * 40)
    assert row("c", commits).reverts == ("b" * 40,)


def test_trailers_say_who_why_and_what_and_authors_speak_for_the_rest() -> None:
    message = "Scale it\n\nRaibid-Object: Deployment/ci/web\nRaibid-By: ada@desk\nRaibid-Reason: load\n"
    ours, theirs = log([commit("b", 1, message), commit("a", 0)], [])
    assert (ours.who, ours.why, ours.objects) == ("ada@desk", "load", ("Deployment/ci/web",))
    assert (theirs.who, theirs.why, theirs.objects) == ("Dev", "", ())


def test_files_that_nothing_reads_are_elsewhere() -> None:
    assert row("b", [commit("b", 0, file="README.md")], apps("b")).state is State.ELSEWHERE


def test_of_several_appliers_the_worst_is_told_and_the_last_time() -> None:
    good = apps("b", "", tried("b", succeeded=True, first=11, last=11))
    slow = apps("b", "", tried("b", succeeded=True, first=15, last=15))
    assert row("b", [B, A], good, slow).landed == at(15)
    assert row("b", [B, A], good, apps("a", "b", FAILED, ready="False")).state is State.FAILING
    assert row("b", [B, A], good, apps("a", "a")).landed is None


def test_of_argo_cd_every_sync_is_remembered() -> None:
    synced = [{"revision": name * 40, "deployedAt": at(minutes).isoformat()} for name, minutes in (("a", 1), ("b", 12))]
    operation = {"phase": "Failed", "message": "one or more objects failed", "syncResult": {"revision": "c" * 40}}
    status = {"history": synced, "operationState": operation, "health": {"status": "Healthy"}}
    argo = of_application({"metadata": {"name": "x"}, "status": status}, frozenset({"apps/web.yaml"}), ())
    failing, landed, _ = log([C, B, A], [argo])
    assert (failing.state, failing.message) == (State.FAILING, "one or more objects failed")
    assert (landed.state, landed.after) == (State.LANDED, timedelta(minutes=2))


names = st.sampled_from("abcd")


@given(
    st.lists(names, unique=True),
    st.lists(st.builds(tried, names, succeeded=st.booleans(), first=st.integers(0, 9), last=st.integers(0, 9))),
    names,
    names,
)
def test_every_commit_has_one_row_in_its_place_whatever_the_appliers_say(
    shas: list[str], entries: list[Reconciled], applied: str, attempted: str
) -> None:
    commits = [commit(name, number) for number, name in enumerate(reversed(shas))][::-1]
    appliers = [apps(applied, attempted, *entries, ready="False")]
    rows = log(commits, appliers)
    assert [found.commit for found in rows] == [found.sha for found in commits]
    assert rows == log(commits, appliers)
    assert all(found.after is None or found.after >= timedelta(0) for found in rows)


@given(JUNK, JUNK)
def test_junk_in_place_of_a_status_is_no_landing(status: Any, spec: Any) -> None:
    manifest = {"metadata": {"name": "x"}, "status": status, "spec": spec}
    for applier in (of_kustomization(manifest, frozenset(), ()), of_application(manifest, frozenset(), ())):
        assert len(log([A], [applier])) == 1
