"""The decision over any facts and any objects: it always has an answer, and in doubt nothing is reverted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from raibid.gitops.objects import Condition, Ref, ref_of
from raibid.gitops.rollback.decide import PAUSE, Branch, Decision, Facts, Kind, Suspect, decide, worth_looking
from raibid.gitops.rollback.facts import Source, duration, of_helm_release, of_kustomization, source_of
from raibid.gitops.rollback.reading import read
from raibid.gitops.rollback.second_attempt import request
from raibid.kube.errors import KubeError

from tests.gitops.junk import JUNK
from tests.gitops.memory_cluster import MemoryCluster

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GOOD, BAD, NEW = "a" * 40, "b" * 40, "c" * 40
REASONS = [
    *("HealthCheckFailed", "BuildFailed", "ReconciliationFailed", "PruneFailed", "DependencyNotReady"),
    *("ArtifactFailed", "FetchFailed", "HealthCheckCanceled", "Progressing", "RollbackSucceeded", "RetriesExceeded"),
    *("AccessDenied", "InvalidCELExpression", "Unheard", ""),
]
MESSAGES = [
    "",
    "timeout waiting for: [x]",
    "cannot get sops data key",
    "error decrypting sops tree",
    "dial tcp: refused",
    "timeout waiting for: [HelmRepository/apps/charts status: 'InProgress']",
    "timeout waiting for: [HelmRelease/apps/redis status: 'InProgress']",
]
commits = st.sampled_from(["", GOOD, BAD, NEW])
times = st.none() | st.integers(-7200, 7200).map(lambda seconds: NOW + timedelta(seconds=seconds))
conditions = st.none() | st.builds(
    Condition,
    st.just("Ready"),
    st.sampled_from(["True", "False", "Unknown", "?"]),
    st.sampled_from(REASONS),
    st.sampled_from(MESSAGES),
)
names = st.sampled_from([(), ("flux-system/apps",), ("flux-system/web",)])
branches = st.none() | st.builds(
    Branch,
    head=commits,
    good_is_ancestor=st.booleans(),
    suspects=st.lists(st.builds(Suspect, st.sampled_from([BAD, NEW]), names, times), max_size=3).map(tuple),
    last_rollback=times,
    exclusions=st.sampled_from([(), ("a claim",)]),
)


def failing(**known: Any) -> Facts:
    """Facts of which one says: roll back."""
    facts = Facts(
        about=Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "apps"),
        ready=Condition("Ready", "False", "HealthCheckFailed", "timeout"),
        fetched=BAD,
        attempted=BAD,
        applied=GOOD,
        attempts=2,
        branch=Branch(head=BAD, good_is_ancestor=True, suspects=(Suspect(BAD),)),
    )
    return replace(facts, **known)


# Near the edge: facts that would be rolled back, of which a few are something else.
facts = st.builds(
    lambda known: failing(**known),
    st.fixed_dictionaries(
        {},
        optional={
            "about": st.just(Ref("helm.toolkit.fluxcd.io", "HelmRelease", "apps", "redis")),
            "suspended": st.booleans(),
            "deleting": st.booleans(),
            "ready": conditions,
            "stalled": conditions,
            "reconciling": conditions,
            "remediated": conditions,
            "source_trouble": st.sampled_from(["", "unreachable"]),
            "unready_dependencies": st.sampled_from([(), ("flux-system/infra",)]),
            "fetched": commits,
            "attempted": commits,
            "applied": commits,
            "attempts": st.integers(0, 3),
            "began": times,
            "failed_at_good": st.booleans(),
            "worked": times,
            "same_build": st.booleans(),
            "branch": branches,
        },
    ),
)


def test_the_edge_is_a_rollback() -> None:
    assert decide(failing(), now=NOW).kind is Kind.ROLL_BACK


@given(facts)
def test_there_is_always_an_answer_and_a_reason(found: Facts) -> None:
    decision = decide(found, now=NOW)
    assert isinstance(decision, Decision)
    assert decision.reason
    if decision.kind in (Kind.ROLL_BACK, Kind.PULL_REQUEST, Kind.STOP):
        assert worth_looking(found, now=NOW)


@given(facts)
def test_nothing_is_rolled_back_when_anything_speaks_against_it(found: Facts) -> None:
    if decide(found, now=NOW).kind is not Kind.ROLL_BACK:
        return
    branch, ready = found.branch, found.ready
    assert branch is not None
    assert ready is not None
    assert ready.status == "False"
    assert ready.reason in REASONS[:4]
    assert ready.reason == "HealthCheckFailed" or not any(word in ready.message for word in ("sops", "dial"))
    assert not any((found.suspended, found.deleting, found.failed_at_good, found.same_build))
    assert not any((found.source_trouble, found.unready_dependencies, branch.exclusions))
    assert found.about.kind == "Kustomization"
    assert found.attempted == branch.head
    assert found.fetched in ("", branch.head)
    assert found.applied not in ("", found.attempted)
    assert branch.good_is_ancestor
    assert branch.suspects
    assert not any(found.name in suspect.takes_back_for for suspect in branch.suspects)
    assert branch.last_rollback is None or NOW - branch.last_rollback >= PAUSE
    assert found.attempts >= 2 or (found.began is not None and NOW - found.began >= found.timeout)


AGAINST = {
    "suspended": {"suspended": True},
    "deleting": {"deleting": True},
    "source": {"source_trouble": "unreachable"},
    "dependency": {"unready_dependencies": ("flux-system/infra",)},
    "newer": {"fetched": NEW},
    "good": {"failed_at_good": True},
    "same": {"same_build": True},
}


@pytest.mark.parametrize("against", AGAINST.values(), ids=AGAINST)
@given(found=facts)
def test_one_more_thing_that_speaks_against_it_never_makes_it_a_rollback(found: Facts, against: dict[str, Any]) -> None:
    assert decide(replace(found, **against), now=NOW).kind is not Kind.ROLL_BACK


@given(facts, st.integers(0, 3), st.integers(0, 7200))
def test_more_failures_and_more_time_never_take_a_rollback_back(found: Facts, more: int, later: int) -> None:
    if decide(found, now=NOW).kind is Kind.ROLL_BACK:
        older = replace(found, attempts=found.attempts + more)
        assert decide(older, now=NOW + timedelta(seconds=later)).kind is Kind.ROLL_BACK


def manifest(kind: str, **body: Any) -> dict[str, Any]:
    group = "kustomize.toolkit.fluxcd.io/v1" if kind == "Kustomization" else "helm.toolkit.fluxcd.io/v2"
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "x", "namespace": "y"}, **body}


@given(JUNK, JUNK, JUNK)
@example({"history": [{"totalReconciliations": 10**30, "lastReconciledDuration": "9" * 90 + "h"}]}, {}, {})
@example({"history": [{"lastReconciled": "0001-01-01T00:00:00Z", "lastReconciledDuration": "9h"}]}, {}, {})
def test_junk_in_place_of_a_status_is_never_rolled_back(status: Any, spec: Any, source: Any) -> None:
    for kind in ("Kustomization", "HelmRelease"):
        found = manifest(kind, status=status, spec=spec)
        try:
            facts = read(MemoryCluster.of(found), ref_of(found)).facts
        except KubeError:
            continue
        assert decide(facts, now=NOW).kind in (Kind.WAIT, Kind.NEVER)
    known = of_kustomization(manifest("Kustomization", status=status, spec=spec), source_of({"status": source}))
    assert decide(known, now=NOW).reason
    helm = of_helm_release(manifest("HelmRelease", status=status, spec=spec), Source(), attempted=BAD)
    assert decide(helm, now=NOW).reason


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("1m30s", 90), ("1.5h", 5400), ("300ms", 0.3), ("10µs", 1e-5), ("", None), ("5", None), ("1x", None), (7, None)],
)
def test_durations_are_read_as_go_writes_them(said: object, seconds: float | None) -> None:
    assert duration(said) == (None if seconds is None else timedelta(seconds=seconds))


def test_a_second_attempt_that_was_asked_for_counts_once_flux_has_made_it() -> None:
    def attempts(handled: str) -> int:
        status = {"lastAttemptedRevision": f"main@sha1:{BAD}", "lastHandledReconcileAt": handled}
        spec = {"sourceRef": {"kind": "GitRepository"}}
        return of_kustomization(manifest("Kustomization", status=status, spec=spec), Source()).attempts

    assert attempts(request(BAD, "2026-11-21T12:00:00Z")) == 2
    assert attempts(request(GOOD, "2026-11-21T12:00:00Z")) == 0
    assert attempts("2026-11-21T12:00:00Z") == 0
