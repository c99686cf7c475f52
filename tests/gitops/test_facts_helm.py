"""A HelmRelease that Helm took back: Git still says what failed, and which commit said it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.fence import git_for
from raibid.gitops.objects import ref_of
from raibid.gitops.rollback.decide import Kind, decide, worth_looking
from raibid.gitops.rollback.reading import Reading, examine, read
from raibid.gitops.rollback.revert import revert
from raibid.gitops.settings import GitopsSettings

from tests.gitops.git_host import GitHost
from tests.gitops.memory_cluster import MemoryCluster, documents

ROW = Path(__file__).parent / "rollback" / "helm-rolled-back.yaml"
FLEET = "raibid/fleet"
RELEASE = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: redis, namespace: apps}
spec: {chart: {spec: {chart: redis, version: %s}}}
"""
NOW = datetime.now(UTC) + timedelta(minutes=1)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    with GitHost(tmp_path / "host") as running:
        files = {"apps/web/kustomization.yaml": "resources: [redis.yaml, other.yaml]\n", "apps/web/other.yaml": ""}
        running.repository(FLEET, {**files, "apps/web/redis.yaml": RELEASE % "1.0.0"})
        yield running


def looked(host: GitHost, place: Path) -> tuple[Reading, Checkout]:
    """The recorded release, applied from the branch's newest commit."""
    head, url = host.head(FLEET), host.clone_url(FLEET)
    cluster = MemoryCluster.of(*(_moved(manifest, head, url) for manifest in documents(ROW)))
    reading = read(cluster, ref_of(documents(ROW)[0]))
    assert worth_looking(reading.facts, now=NOW)
    checkout = Checkout.open(url, "main", place / "work", git_for(GitopsSettings(), host.credentials(place / "login")))
    return examine(reading, checkout, now=NOW), checkout


def _moved(manifest: Any, head: str, url: str) -> Any:
    if isinstance(manifest, dict):
        return {key: url if key == "url" else _moved(value, head, url) for key, value in manifest.items()}
    if isinstance(manifest, list):
        return [_moved(value, head, url) for value in manifest]
    return manifest.replace("b" * 40, head) if isinstance(manifest, str) else manifest


def test_the_commit_before_the_last_change_of_its_file_is_the_good_one(host: GitHost, tmp_path: Path) -> None:
    good = host.commit(FLEET, {"apps/web/other.yaml": "a: 1\n"})
    bad = host.commit(FLEET, {"apps/web/redis.yaml": RELEASE % "2.0.0", "apps/web/other.yaml": "a: 2\n"})
    host.commit(FLEET, {"README.md": "else\n"})
    reading, checkout = looked(host, tmp_path)
    decision = decide(reading.facts, now=NOW)
    assert (decision.kind, decision.good) == (Kind.PULL_REQUEST, good)
    assert reading.facts.branch is not None
    assert [suspect.sha for suspect in reading.facts.branch.suspects] == [bad]
    assert revert(checkout, reading.paths, decision.good, decision.bad, about=reading.facts.about)
    assert (checkout.at / "apps/web/redis.yaml").read_text() == RELEASE % "1.0.0"
    assert (checkout.at / "apps/web/other.yaml").read_text() == "a: 2\n"


def test_a_release_that_came_with_the_first_commit_has_nothing_to_go_back_to(host: GitHost, tmp_path: Path) -> None:
    decision = decide(looked(host, tmp_path)[0].facts, now=NOW)
    assert (decision.kind, decision.good) == (Kind.NEVER, "")


def test_a_release_whose_file_is_gone_is_left_alone(host: GitHost, tmp_path: Path) -> None:
    host.commit(FLEET, {"apps/web/kustomization.yaml": "resources: [other.yaml]\n"})
    decision = decide(looked(host, tmp_path)[0].facts, now=NOW)
    assert decision.kind is Kind.NEVER
    assert "describes HelmRelease/apps/redis" in decision.reason


def test_a_release_whose_file_is_as_old_as_its_last_good_release_fails_by_something_else(
    host: GitHost, tmp_path: Path
) -> None:
    host.commit(FLEET, {"apps/web/redis.yaml": RELEASE % "2.0.0"})
    reading, _ = looked(host, tmp_path)
    decision = decide(replace(reading.facts, worked=NOW + timedelta(hours=1)), now=NOW)
    assert decision.kind is Kind.NEVER
    assert "has not changed since" in decision.reason
