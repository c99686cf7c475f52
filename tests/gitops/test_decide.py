"""The decision table, row by row: each fixture is what the controllers write, named after its row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from raibid.gitops.objects import ref_of
from raibid.gitops.rollback.decide import PAUSE, Branch, Decision, Facts, Kind, Suspect, decide, worth_looking
from raibid.gitops.rollback.reading import read

from tests.gitops.memory_cluster import MemoryCluster, documents

ROWS = Path(__file__).parent / "rollback"
NOW = datetime(2026, 11, 21, 12, 2, 36, tzinfo=UTC)
GOOD, BAD = "a" * 40, "b" * 40
BRANCH = Branch(head=BAD, good_is_ancestor=True, suspects=(Suspect(BAD),))

TABLE = {
    "failing-health-check-twice": Kind.ROLL_BACK,
    "failing-health-check-once-but-timed-out": Kind.ROLL_BACK,
    "invalid-manifest-twice": Kind.ROLL_BACK,
    "does-not-build-since-its-timeout": Kind.ROLL_BACK,
    "does-not-build-after-second-attempt-asked-for": Kind.ROLL_BACK,
    "prune-failed-twice": Kind.ROLL_BACK,
    "failed-at-known-good-before-it-passed": Kind.ROLL_BACK,
    "failed-once": Kind.WAIT,
    "does-not-build-once": Kind.WAIT,
    "does-not-build-after-it-waited-for-others": Kind.WAIT,
    "same-build-failed-long-ago-under-another-commit": Kind.WAIT,
    "attempt-under-way": Kind.WAIT,
    "attempt-begun-and-old-failure-still-there": Kind.WAIT,
    "newer-commit-fetched": Kind.WAIT,
    "ready": Kind.NEVER,
    "suspended": Kind.NEVER,
    "being-deleted": Kind.NEVER,
    "dependency-not-ready": Kind.NEVER,
    "depends-on-what-fails": Kind.NEVER,
    "depends-on-what-is-gone": Kind.NEVER,
    "artifact-failed": Kind.NEVER,
    "path-not-found": Kind.NEVER,
    "source-unreachable": Kind.NEVER,
    "source-suspended": Kind.NEVER,
    "source-gone": Kind.NEVER,
    "source-is-a-bucket": Kind.NEVER,
    "source-fixed-to-a-tag": Kind.NEVER,
    "health-check-canceled": Kind.NEVER,
    "age-key-missing": Kind.NEVER,
    "age-key-changed": Kind.NEVER,
    "encrypted-and-no-decryption-configured": Kind.NEVER,
    "mac-does-not-match": Kind.NEVER,
    "webhook-unreachable": Kind.NEVER,
    "variables-gone": Kind.NEVER,
    "kubeconfig-gone": Kind.NEVER,
    "waits-for-a-chart-source": Kind.NEVER,
    "waits-for-another-kustomization": Kind.NEVER,
    "waits-for-a-release-and-its-chart-source": Kind.NEVER,
    "waits-for-a-release": Kind.PULL_REQUEST,
    "waits-for-a-release-and-a-workload": Kind.ROLL_BACK,
    "spec-of-its-own-wrong": Kind.NEVER,
    "access-denied": Kind.NEVER,
    "never-passed": Kind.NEVER,
    "failing-at-known-good": Kind.NEVER,
    "was-failing-at-known-good-before": Kind.NEVER,
    "builds-the-same-as-known-good": Kind.NEVER,
    "helm-rolled-back": Kind.PULL_REQUEST,
    "helm-rolled-back-and-parent-ready": Kind.PULL_REQUEST,
    "helm-gave-up-without-going-back": Kind.PULL_REQUEST,
    "helm-rolled-back-and-tries-again": Kind.WAIT,
    "helm-upgrade-under-way": Kind.WAIT,
    "helm-has-nothing-to-go-back-to": Kind.NEVER,
    "helm-first-install-undone": Kind.NEVER,
    "helm-first-install-failed": Kind.NEVER,
    "helm-ready": Kind.NEVER,
    "helm-suspended": Kind.NEVER,
    "helm-dependency-not-ready": Kind.NEVER,
    "helm-chart-not-fetched": Kind.NEVER,
}


def facts_of(row: str) -> Facts:
    manifests = documents(ROWS / f"{row}.yaml")
    facts = read(MemoryCluster.of(*manifests), ref_of(manifests[0])).facts
    # What a HelmRelease goes back to is for Git to say.
    return replace(facts, applied=GOOD) if facts.about.kind == "HelmRelease" else facts


def decided(row: str, branch: Branch | None = BRANCH, **known: Any) -> Decision:
    return decide(replace(facts_of(row), branch=branch, **known), now=NOW)


def test_every_row_has_its_fixture_and_every_fixture_its_row() -> None:
    assert set(TABLE) == {file.stem for file in ROWS.glob("*.yaml")}


@pytest.mark.parametrize(("row", "kind"), TABLE.items())
def test_row(row: str, kind: Kind) -> None:
    decision = decided(row)
    assert decision.kind is kind, decision.reason
    assert decision.reason


@pytest.mark.parametrize("row", [row for row, kind in TABLE.items() if kind in (Kind.ROLL_BACK, Kind.PULL_REQUEST)])
def test_what_is_taken_back_is_named_with_where_to(row: str) -> None:
    assert (decided(row).good, decided(row).bad) == (GOOD, BAD)


@pytest.mark.parametrize(("row", "kind"), TABLE.items())
def test_git_is_looked_at_only_for_what_the_objects_leave_open(row: str, kind: Kind) -> None:
    assert worth_looking(facts_of(row), now=NOW) == (kind in (Kind.ROLL_BACK, Kind.PULL_REQUEST))


@pytest.mark.parametrize("row", ["failed-once", "does-not-build-once", "does-not-build-after-it-waited-for-others"])
def test_the_first_failure_asks_for_a_second_attempt_and_the_second_one_decides(row: str) -> None:
    assert decided(row).ask_again
    assert decided(row, attempts=2).kind is Kind.ROLL_BACK


def test_nothing_happens_before_somebody_has_looked_at_the_branch() -> None:
    assert decided("invalid-manifest-twice", None).kind is Kind.WAIT


def test_a_newer_commit_on_the_branch_is_given_its_chance() -> None:
    assert decided("invalid-manifest-twice", replace(BRANCH, head="c" * 40)).kind is Kind.WAIT


def test_a_branch_that_was_forced_is_left_alone() -> None:
    assert decided("invalid-manifest-twice", replace(BRANCH, good_is_ancestor=False)).kind is Kind.NEVER


def test_commits_that_touched_other_paths_only_are_left_alone() -> None:
    assert decided("invalid-manifest-twice", replace(BRANCH, suspects=())).kind is Kind.NEVER


def test_a_rollback_is_never_taken_back() -> None:
    again = replace(BRANCH, suspects=(Suspect("d" * 40, takes_back_for=("apps/web",)), Suspect(BAD)))
    assert decided("invalid-manifest-twice", again).kind is Kind.STOP


def test_a_rollback_for_another_applier_is_no_reason_to_stop() -> None:
    others = replace(BRANCH, suspects=(Suspect("d" * 40, takes_back_for=("apps/db",)), Suspect(BAD)))
    assert decided("invalid-manifest-twice", others).kind is Kind.ROLL_BACK


@pytest.mark.parametrize(("changed", "kind"), [(timedelta(0), Kind.NEVER), (timedelta(seconds=1), Kind.PULL_REQUEST)])
def test_a_release_that_worked_since_its_manifests_last_change_fails_by_something_else(
    changed: timedelta, kind: Kind
) -> None:
    worked = facts_of("helm-rolled-back").worked
    assert worked is not None
    branch = replace(BRANCH, suspects=(Suspect(BAD, at=worked + changed),))
    assert decided("helm-rolled-back", branch).kind is kind


@pytest.mark.parametrize("row", ["invalid-manifest-twice", "helm-rolled-back"])
def test_a_path_is_taken_back_once_an_hour(row: str) -> None:
    def after(pause: timedelta) -> Kind:
        return decided(row, replace(BRANCH, last_rollback=NOW - pause)).kind

    assert after(PAUSE) is TABLE[row]
    assert after(PAUSE - timedelta(seconds=1)) is Kind.STOP
    assert after(-PAUSE) is Kind.STOP  # a clock that goes wrong


def test_what_cannot_be_brought_back_is_proposed_and_not_pushed() -> None:
    excluded = replace(BRANCH, exclusions=("PersistentVolumeClaim ci/data was deleted",))
    decision = decided("invalid-manifest-twice", excluded)
    assert decision.kind is Kind.PULL_REQUEST
    assert "PersistentVolumeClaim" in decision.reason


def test_a_workload_called_after_sops_is_no_missing_key() -> None:
    facts = facts_of("failing-health-check-twice")
    assert facts.ready is not None
    named = replace(facts.ready, message="timeout waiting for: [Deployment/ci/sops-operator status: 'InProgress']")
    assert decide(replace(facts, ready=named, branch=BRANCH), now=NOW).kind is Kind.ROLL_BACK
