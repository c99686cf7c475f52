"""What somebody wants followed who names an applier: its claims, and the commit that is newest in what they read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from raibid.gitops.objects import Ref
from raibid.gitops.settings import GitopsSettings
from raibid.gitops.watch.follow import follow
from raibid.gitops.watch.outcome import Outcome
from raibid.gitops.watch.targets import claims_of, lineage_of, newest

from tests.gitops.memory_cluster import MemoryCluster, documents

ABOUT = Ref("argoproj.io", "Application", "argocd", "shop")
VALUES, SHOP = "a" * 40, "b" * 40
CHART, OF_VALUES, OF_SHOP = (
    {"repoURL": "https://charts.test/stable", "chart": "prometheus", "targetRevision": "15.7.1",
     "helm": {"valueFiles": ["$values/values.yaml"]}},
    {"repoURL": "https://git.test/values.git", "targetRevision": "main", "ref": "values"},
    {"repoURL": "https://git.test/shop.git", "targetRevision": "main", "path": "deploy"},
)  # fmt: skip


def reading(*sources: dict[str, Any], revisions: list[str]) -> MemoryCluster:
    """A healthy Application of these sources."""
    (application,) = documents(Path(__file__).parent / "argo" / "progress" / "several-sources.yaml")
    application["spec"]["sources"] = list(sources)
    application["status"]["sync"]["revisions"] = revisions
    application["status"]["operationState"]["syncResult"]["revisions"] = revisions
    return MemoryCluster.of(application)


SHAPES = {
    "a chart with values in Git": reading(CHART, OF_VALUES, revisions=["15.7.1", VALUES]),
    "two repositories": reading(OF_SHOP, OF_VALUES | {"path": "."}, revisions=[SHOP, VALUES]),
    "two directories of one repository": reading(OF_SHOP, OF_SHOP | {"path": "jobs"}, revisions=[SHOP, SHOP]),
}


@pytest.mark.parametrize("cluster", SHAPES.values(), ids=SHAPES)
def test_an_application_of_several_sources_is_followed_to_its_end_without_naming_a_commit(
    cluster: MemoryCluster,
) -> None:
    claims = claims_of(cluster, ABOUT)
    sha = newest(cluster, claims)
    assert sha in (VALUES, SHOP)
    result = follow(cluster, claims, sha, settings=GitopsSettings(), wait=False)
    assert result.outcome is Outcome.HEALTHY, result


@pytest.mark.parametrize("sha", [VALUES, SHOP])
def test_a_commit_of_any_repository_of_an_application_arrives(sha: str) -> None:
    cluster = reading(OF_SHOP, OF_VALUES | {"path": "."}, revisions=[SHOP, VALUES])
    assert follow(cluster, claims_of(cluster, ABOUT), sha, settings=GitopsSettings(), wait=False).healthy


def test_history_is_asked_of_one_repository_only() -> None:
    one, two, mixed = (claims_of(cluster, ABOUT) for cluster in SHAPES.values())
    assert lineage_of(one) == one[0].place
    place = lineage_of(mixed)
    assert place is not None
    assert place.repository == "https://git.test/shop.git"
    assert lineage_of(two) is None


def test_of_several_places_none_is_taken_for_the_one_that_a_rollback_means() -> None:
    for shape in ("two repositories", "two directories of one repository"):
        (claim,) = claims_of(SHAPES[shape], ABOUT)
        assert claim.place is None
        assert "name the object" in claim.note
