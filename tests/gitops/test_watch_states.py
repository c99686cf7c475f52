"""What each state of the real objects means: every state is a file, whose first document is the expected progress.

The states are those that kustomize-controller 1.9 and helm-controller 1.6 leave (gitops.md 5.3 and 5.5).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from raibid.gitops.objects import Ref
from raibid.gitops.watch.follow import claim_of
from raibid.gitops.watch.outcome import Outcome, Progress
from raibid.gitops.watch.revisions import Line, Standing
from raibid.gitops.watch.route import Look, route_of

from tests.gitops.history import LATER, NEW, OLD, contains, revision
from tests.gitops.memory_cluster import MemoryCluster, documents
from tests.gitops.sight import Snapshot

CHARTS = sorted((Path(__file__).parent / "watch" / "charts").glob("*.yaml"))
STATES = sorted((Path(__file__).parent / "watch" / "states").glob("*.yaml"))
APPS = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "apps")
RELEASE = Ref("helm.toolkit.fluxcd.io", "HelmRelease", "demo", "web")
GROUPS = {"Deployment": "apps", "HelmRelease": "helm.toolkit.fluxcd.io"}


def asked(ref: Ref) -> str:
    """Only the source was asked to reconcile."""
    return "our-request" if ref.kind == "GitRepository" else ""


def looked(cluster: MemoryCluster, edit: str = "", sha: str = NEW, applier: Ref = APPS) -> Progress:
    kind, _, rest = edit.partition("/")
    edited = Ref(GROUPS[kind], kind, *rest.split("/")) if edit else None
    route = route_of(claim_of(applier, edit=edited))
    assert route is not None
    line, now = Line(sha, contains), datetime.now(UTC)
    look = Look(sight=Snapshot(cluster), line=line, pushed_at=now, requests=asked)
    return look.walked(route)


@pytest.mark.parametrize("file", STATES, ids=lambda file: file.stem)
def test_a_state_is_what_its_name_says(file: Path) -> None:
    expected, *objects = documents(file)
    found = looked(MemoryCluster.of(*objects), expected.get("edit", ""))
    assert (found.outcome, found.done, str(found.object)) == (
        expected["outcome"], expected["done"], expected["object"],
    )  # fmt: skip
    assert expected["says"] in found.message


@pytest.mark.parametrize("file", CHARTS, ids=lambda file: file.stem)
def test_a_chart_in_git_is_followed_through_its_packing(file: Path) -> None:
    expected, *objects = documents(file)
    found = looked(MemoryCluster.of(*objects), applier=RELEASE)
    assert (found.outcome, found.done, str(found.object)) == (
        expected["outcome"], expected["done"], expected["object"],
    )  # fmt: skip
    assert expected["says"] in found.message
    assert not looked(MemoryCluster.of(*objects), applier=RELEASE, sha="e" * 40).passed


@pytest.mark.parametrize("file", STATES, ids=lambda file: file.stem)
def test_no_state_is_healthy_for_a_commit_that_nobody_has(file: Path) -> None:
    expected, *objects = documents(file)
    found = looked(MemoryCluster.of(*objects), expected.get("edit", ""), sha="e" * 40)
    assert found.outcome is not Outcome.HEALTHY


def test_every_outcome_of_flux_has_a_state() -> None:
    found = {documents(file)[0]["outcome"] for file in STATES}
    assert found == {*Outcome} - {Outcome.AWAITING_SYNC}


def test_without_a_repository_only_the_commit_itself_counts() -> None:
    [_, source, applier] = documents(
        Path(__file__).parent / "watch" / "states" / "healthy-by-a-later-commit-that-contains-it.yaml"
    )
    route = route_of(claim_of(APPS))
    assert route is not None
    line = Line(NEW)
    found = Look(sight=Snapshot(MemoryCluster.of(source, applier)), line=line, pushed_at=datetime.now(UTC)).walked(
        route
    )
    assert found.outcome is Outcome.NOT_FETCHED
    assert line.unsure == {"c" * 40}


def test_an_abbreviated_commit_is_the_commit() -> None:
    [_, *objects] = documents(Path(__file__).parent / "watch" / "states" / "healthy.yaml")
    assert looked(MemoryCluster.of(*objects), sha=NEW[:8]).passed
    assert not looked(MemoryCluster.of(*objects), sha=OLD[:8] + "f").passed


def test_no_repository_is_asked_about_an_abbreviated_commit() -> None:
    """It would say that nothing contains it, and the watch that it was superseded."""
    assert Line(NEW[:8], contains).standing(revision(LATER)) is Standing.UNKNOWN
