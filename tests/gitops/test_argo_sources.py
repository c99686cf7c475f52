"""An Application's sources as places in Git: which branch, which of several, what is told of a URL."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.git.cli import Git
from raibid.gitops.document import narrowed
from raibid.gitops.objects import Ref, ref_of
from raibid.gitops.owner.argo_sources import branch
from raibid.gitops.owner.find import find
from raibid.gitops.settings import GitopsSettings

from tests.gitops.git_host import GitHost
from tests.gitops.memory_cluster import MemoryCluster, documents

STATES = Path(__file__).parent / "argo" / "owner"
SHA = "53e28ff20cc530b9ada2173fbbd64d48338583ba"


def test_of_several_sources_the_one_with_the_file_is_changed(tmp_path: Path) -> None:
    application, rates_map = documents(STATES / "several-sources.yaml")
    application["spec"]["sources"][0]["targetRevision"] = "main"
    cluster = MemoryCluster.of(application, rates_map)
    rates = "{apiVersion: v1, kind: ConfigMap, metadata: {name: rates}}\n"
    with GitHost(tmp_path) as host:
        url = host.repository("raibid/billing", {"manifests/rates.yaml": rates})
        host.repository("raibid/common", {"configmaps-billing/other.yaml": rates.replace("rates", "other")})
        forge = url.removesuffix("billing.git")
        settings = GitopsSettings(hosts=("127.0.0.1",), addresses={"https://git.test/": forge})
        git = Git(credentials=host.credentials(tmp_path / "credentials"))
        found = narrowed(cluster, find(cluster, Ref("", "ConfigMap", "billing", "rates")), settings, git).claim
    assert found is not None
    assert found.place is not None
    assert (found.place.path, found.others) == ("manifests", ())


def test_credentials_in_a_sources_url_are_told_nobody() -> None:
    application, deployment = documents(STATES / "overrides-what-its-files-say.yaml")
    application["spec"]["source"]["repoURL"] = "https://robot:s3cret@git.test/shop.git"
    application["status"]["sourceType"] = "Helm"
    answer = find(MemoryCluster.of(application, deployment), ref_of(deployment))
    assert "s3cret" not in repr(answer)
    assert answer.claim is not None
    assert answer.claim.place is not None
    assert answer.claim.place.repository == "https://git.test/shop.git"
    assert "it is a chart" in answer.claim.place.note


@pytest.mark.parametrize(
    ("revision", "meant"),
    [
        ("", "HEAD"),
        ("HEAD", "HEAD"),
        ("main", "main"),
        ("refs/heads/release/1", "release/1"),
        ("release-1.2", "release-1.2"),
        ("refs/tags/v1", ""),
        ("v1.2.3", ""),
        ("8.5.1-rc.1", ""),
        (SHA, ""),
        (SHA[:8], ""),
        ("1.2.*", ""),
        (">=1.2.0 <1.3.0", ""),
        ("^1.0", ""),
        ("1.x", ""),
    ],
)
def test_only_a_branch_can_be_pushed_to(revision: str, meant: str) -> None:
    assert branch(revision) == meant


@given(st.text())
def test_any_revision_is_read(revision: str) -> None:
    assert branch(revision) in ("", "HEAD", revision.strip().removeprefix("refs/heads/"))
