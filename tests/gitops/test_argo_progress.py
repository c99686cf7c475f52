"""How far a commit is with an Application: one recorded state for each thing that its status can say."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.objects import Ref, ref_of
from raibid.gitops.watch.argo import Facts, progress, requests, settled
from raibid.gitops.watch.outcome import Outcome, Progress
from raibid.gitops.watch.revisions import Line

from tests.gitops.memory_cluster import documents

STATES = Path(__file__).parent / "argo" / "progress"
PUSHED = datetime(2026, 11, 21, 10, 0, 0, 700_000, tzinfo=UTC)
OURS, BEFORE, LATER, BESIDE, HYDRATED = "a" * 40, "b" * 40, "c" * 40, "d" * 40, "f" * 40
ABOUT = Ref("argoproj.io", "Application", "argocd", "shop")

HISTORY = {(BEFORE, OURS), (OURS, LATER), (BEFORE, LATER), (BEFORE, BESIDE), ("e" * 40, HYDRATED)}
"""Ancestor and descendant: `d` is beside ours, `e` and `f` are of the hydrated branch."""


def contains(ancestor: str, descendant: str) -> bool:
    return (ancestor, descendant) in HISTORY


def state(name: str) -> dict[str, Any]:
    (application,) = documents(STATES / f"{name}.yaml")
    return application


def looked_at(application: dict[str, Any] | None, **more: Any) -> Progress:
    return progress(
        Facts(line=Line(OURS, contains), about=ABOUT, application=application, **{"pushed_at": PUSHED, **more})
    )


EXPECTED = [
    ("synced-and-healthy", Outcome.HEALTHY, True, "successfully synced"),
    ("synced-with-a-later-commit", Outcome.HEALTHY, True, "successfully synced"),
    ("synced-without-an-operation", Outcome.HEALTHY, True, "changes nothing"),
    ("never-compared", Outcome.NOT_FETCHED, False, "nothing yet"),
    ("not-compared-since-the-push", Outcome.NOT_FETCHED, False, BEFORE),
    ("another-line-is-synced", Outcome.SUPERSEDED, True, BESIDE),
    ("out-of-sync-without-automated-sync", Outcome.AWAITING_SYNC, True, "OutOfSync, awaiting sync: Deployment/web"),
    ("only-pruning-is-left", Outcome.AWAITING_SYNC, True, "prunes Deployment/old"),
    ("out-of-sync-and-the-sync-has-not-begun", Outcome.NOT_ATTEMPTED, False, "sync window"),
    ("sync-of-the-commit-before-runs", Outcome.NOT_ATTEMPTED, False, "busy with another revision"),
    ("sync-waits-for-a-hook", Outcome.NOT_HEALTHY, False, "batch/Job/migrate"),
    ("sync-is-tried-again", Outcome.FAILING, False, "field is immutable"),
    ("sync-failed", Outcome.FAILING, True, "retried 5 times).: Deployment/web: Deployment.apps"),
    ("sync-of-the-commit-before-failed", Outcome.NOT_FETCHED, False, BEFORE),
    ("automated-sync-refuses", Outcome.FAILING, True, "will wipe out all resources"),
    ("synced-and-not-compared-since", Outcome.NOT_HEALTHY, False, "not compared yet"),
    ("synced-and-health-is-older", Outcome.NOT_HEALTHY, False, "not assessed yet"),
    ("synced-and-still-out-of-sync", Outcome.FAILING, False, "still OutOfSync: Deployment/web"),
    ("degraded-since-the-sync", Outcome.NOT_HEALTHY, True, "exceeded its progress deadline"),
    ("degraded-before-the-sync", Outcome.NOT_HEALTHY, False, "Degraded"),
    ("progressing", Outcome.NOT_HEALTHY, False, "Progressing"),
    ("manifests-are-not-generated", Outcome.FAILING, True, "kustomize build failed"),
    ("manifests-were-not-generated-before-the-push", Outcome.NOT_FETCHED, False, "kustomize build failed"),
    ("spec-is-invalid-since-the-push", Outcome.FAILING, True, "do not match any of the allowed destinations"),
    ("spec-was-invalid-before-the-push", Outcome.FAILING, False, "not allowed in project"),
    ("hydration-has-not-begun", Outcome.NOT_FETCHED, False, BEFORE),
    ("hydration-runs", Outcome.NOT_ATTEMPTED, False, "hydrated"),
    ("hydration-failed", Outcome.FAILING, True, "Failed to hydrate"),
    ("hydrated-and-not-compared", Outcome.NOT_FETCHED, False, "eeee"),
    ("hydrated-into-a-branch-to-be-merged", Outcome.AWAITING_SYNC, True, "merge into environments/production"),
    ("hydrated-and-synced", Outcome.HEALTHY, True, "successfully synced"),
    ("hydration-is-not-needed", Outcome.HEALTHY, True, "successfully synced"),
    ("controller-is-told-to-skip-it", Outcome.SUSPENDED, True, "skip-reconcile"),
    ("being-deleted", Outcome.NOT_ATTEMPTED, True, "being deleted"),
]


@pytest.mark.parametrize(("name", "outcome", "done", "word"), EXPECTED, ids=[name for name, *_ in EXPECTED])
def test_a_state_has_its_outcome(name: str, outcome: Outcome, done: bool, word: str) -> None:
    found = looked_at(state(name))
    assert (found.outcome, found.done, found.object) == (outcome, done, ABOUT)
    assert word in found.message


def test_every_recorded_state_is_looked_at() -> None:
    assert {file.stem for file in STATES.glob("*.yaml")} == {name for name, *_ in EXPECTED} | {"several-sources"}


@pytest.mark.parametrize(
    ("repository", "outcome"),
    [
        ("https://git.test/values.git", Outcome.HEALTHY),
        ("https://git.test/Values", Outcome.HEALTHY),
        ("https://git.test/shop.git", Outcome.NOT_FETCHED),
        ("", Outcome.HEALTHY),
    ],
    ids=["the changed source", "the same URL otherwise", "another source", "nobody says which"],
)
def test_of_several_sources_the_changed_one_counts(repository: str, outcome: Outcome) -> None:
    found = looked_at(state("several-sources"), repository=repository, branch="main")
    assert found.outcome is outcome


def test_no_source_of_several_having_the_commit_is_not_fetched() -> None:
    found = progress(Facts(line=Line("e" * 40), about=ABOUT, application=state("several-sources"), pushed_at=PUSHED))
    assert (found.outcome, found.done) == (Outcome.NOT_FETCHED, False)
    assert "15.7.1" not in found.message


@pytest.mark.parametrize(
    "message",
    [
        "rpc error: code = Unavailable desc = connection error: dial tcp 10.0.0.7:8081: connect: connection refused",
        "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
        "rpc error: code = Canceled desc = context canceled",
        "rpc error: code = Unknown desc = `git fetch origin --tags --force --prune` failed exit status 128",
        "rpc error: code = Internal desc = Failed to fetch default: remote hung up",
        "rpc error: code = Unknown desc = failed to list refs: authentication required",
    ],
)
def test_a_forge_or_repository_server_that_does_not_answer_says_nothing_of_the_commit(message: str) -> None:
    application = state("manifests-are-not-generated")
    application["status"]["conditions"][0]["message"] = f"Failed to load target state: {message}"
    found = looked_at(application)
    assert (found.outcome, found.done) == (Outcome.NOT_FETCHED, False)
    assert message in found.message


def test_health_of_single_resources_is_never_needed() -> None:
    three, two = state("synced-and-healthy"), state("synced-with-a-later-commit")
    assert "health" not in three["status"]["resources"][0]
    assert "health" in two["status"]["resources"][0]
    assert looked_at(three).passed
    assert looked_at(two).passed


def test_a_clock_that_is_ahead_does_not_hold_a_commit_up() -> None:
    assert looked_at(state("synced-and-healthy"), pushed_at=PUSHED.replace(hour=23)).passed


def test_an_application_that_is_not_there_may_come() -> None:
    found = looked_at(None)
    assert (found.outcome, found.done) == (Outcome.NOT_ATTEMPTED, False)


def test_only_a_hydrated_application_is_asked_to_hydrate() -> None:
    assert requests(state("synced-and-healthy")) == {"argocd.argoproj.io/refresh": "normal"}
    assert requests(state("hydrated-and-synced")) == {
        "argocd.argoproj.io/refresh": "normal",
        "argocd.argoproj.io/hydrate": "normal",
    }


@pytest.mark.parametrize(
    "path",
    [
        ("sync", "status"),
        ("sync", "revision"),
        ("health", "status"),
        ("operationState", "phase"),
        ("operationState", "syncResult", "revision"),
    ],
    ids=".".join,
)
def test_success_needs_all_of_it(path: tuple[str, ...]) -> None:
    application = state("synced-and-healthy")
    *above, last = path
    holder = application["status"]
    for part in above:
        holder = holder[part]
    holder[last] = {"status": "Unknown", "revision": BEFORE, "phase": "Failed"}[last]
    if path == ("operationState", "syncResult", "revision"):
        # An operation of another revision is not ours: then it has to be over, and the comparison tells.
        application["status"]["operationState"]["phase"] = "Running"
    assert not looked_at(application).passed


JUNK = st.sampled_from([None, 7, True, "text", [], {}, [None], {"a": None}, "2026-11-21", OURS])


@given(st.sampled_from([name for name, *_ in EXPECTED]), st.integers(min_value=0), JUNK)
def test_a_wrong_type_anywhere_is_an_answer(name: str, index: int, junk: object) -> None:
    application = deepcopy(_STATES[name])
    holder, key = _places(application)[index % len(_places(application))]
    holder[key] = junk
    found = looked_at(application)
    assert found.outcome in Outcome
    assert isinstance(found.message, str)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in it that holds something."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in keys for place in ((value, key), *_places(value[key]))]


_STATES = {file.stem: state(file.stem) for file in STATES.glob("*.yaml")}


def test_the_states_are_of_one_application() -> None:
    assert {ref_of(item) for item in _STATES.values()} == {ABOUT}


def child(**changed: Any) -> dict[str, Any]:
    """A healthy Application with a chart, whose manifest the commit brings, as its controller left it."""
    application = state("synced-and-healthy")
    source = {"repoURL": "https://charts.test/stable", "chart": "redis", "targetRevision": "20.1.7"}
    application["spec"]["source"] = {**source, **changed}
    application["status"]["sync"].update(revision="20.1.7", comparedTo={"source": source, "destination": {}})
    application["status"]["operationState"]["syncResult"] = {"revision": "20.1.7", "source": source}
    return application


def brought(application: dict[str, Any]) -> Progress:
    return settled(Facts(line=Line(OURS, contains), about=ABOUT, application=application, pushed_at=PUSHED))


def test_an_application_that_a_commit_brings_is_compared_by_its_sources() -> None:
    assert brought(child()).passed
    assert brought(child(helm={})).passed
    new = brought(child(targetRevision="20.2.0"))
    assert (new.outcome, new.done) == (Outcome.NOT_ATTEMPTED, False)


def test_an_application_that_a_commit_brings_fails_by_the_sync_of_its_new_sources() -> None:
    application = child()
    application["status"]["operationState"].update(phase="Failed", message="chart not found")
    found = brought(application)
    assert (found.outcome, found.done) == (Outcome.FAILING, True)
