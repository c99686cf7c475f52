"""`raibid gitops log` as it is typed: over real HTTP, its rows and exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from raibid.contract import ExitCode

from tests.gitops.change_stage import FILE, FLEET, WEB, Stage, kustomization, staged

APPS = ("kustomization/apps", "-n", "flux-system")


@pytest.fixture
def raibid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Stage]:
    monkeypatch.setenv("NO_COLOR", "1")
    with staged(tmp_path, monkeypatch, capsys) as stage:
        stage.cluster.serve("v1", "Event")
        stage.host.commit(FLEET, {FILE: WEB.replace("1.0", "2.0")}, "A new image")
        stage.change("set", "cm/web", "-n", "ci", "data.LEVEL=2", "--reason", "hunting a leak")
        stage.host.commit(FLEET, {"README.md": "read me\n"}, "Words")
        stage.change("rollback", *APPS, "--commit", stage.host.log(FLEET)[2])
        yield stage


def applied(stage: Stage, sha: str, at: str) -> None:
    found = kustomization("apps", "./apps/dgx-spark", "ci_web_apps_Deployment", "ci_web__ConfigMap")
    entry = {"digest": "sha256:1", "firstReconciled": at, "lastReconciled": at, "lastReconciledDuration": "1s"}
    known = {"lastReconciledStatus": "ReconciliationSucceeded", "metadata": {"revision": f"main@sha1:{sha}"}}
    status = {**found["status"], "lastAppliedRevision": f"main@sha1:{sha}", "history": [{**entry, **known}]}
    stage.cluster.put({**found, "status": status})


def rows(stage: Stage, *arguments: str) -> list[dict[str, Any]]:
    code, out, err = stage("log", *arguments, "--json")
    assert code == 0, err
    [branch] = json.loads(out)
    found: list[dict[str, Any]] = branch["log"]
    return found


def test_every_commit_of_the_branch_says_who_what_and_what_became_of_it(raibid: Stage) -> None:
    head = raibid.host.head(FLEET)
    applied(raibid, head, "2099-01-01T00:00:00Z")
    found = rows(raibid)
    assert [row["state"] for row in found] == ["landed", "elsewhere", "landed", "reverted", "landed"]
    assert [row["commit"] for row in found] == raibid.host.log(FLEET)
    assert found[0]["reverts"] == [found[3]["commit"]]
    assert found[3]["by"] == head
    assert (found[2]["why"], found[2]["objects"]) == ("hunting a leak", ["ConfigMap/ci/web"])
    assert found[4]["who"] == "Dev"
    assert found[0]["landed"] == "2099-01-01T00:00:00Z"


def test_of_an_object_its_own_commits_are_told(raibid: Stage) -> None:
    assert [row["what"] for row in rows(raibid, "cm/web", "-n", "ci")] == [
        "Set data.LEVEL=2 of ConfigMap/ci/web",
        "first",
    ]


def test_of_an_applier_everything_that_it_reads_is_told(raibid: Stage) -> None:
    assert "Words" not in [row["what"] for row in rows(raibid, *APPS)]
    assert len(rows(raibid, *APPS)) == 4


def test_limit_and_since_cut_the_list(raibid: Stage) -> None:
    assert len(rows(raibid, "--limit", "2")) == 2
    assert len(rows(raibid, "--since", "1h")) == 5
    assert rows(raibid, "--since", "2099-01-01") == []


def test_the_table_is_for_people(raibid: Stage) -> None:
    code, out, _ = raibid("log", *APPS)
    assert code == ExitCode.OK
    assert f"reverted by {raibid.host.head(FLEET)[:12]}" in out
    assert "hunting a leak" in out
    assert len(out.splitlines()) == 6


@pytest.mark.parametrize("arguments", [("--since", "soon"), ("--limit", "0"), ("--since", "999999w")])
def test_what_makes_no_sense_is_refused_in_words(raibid: Stage, arguments: tuple[str, ...]) -> None:
    code, out, err = raibid("log", *arguments)
    assert (code, out) == (ExitCode.USAGE, "")
    assert arguments[0] in err


def test_an_object_that_nobody_applies_has_no_log(raibid: Stage) -> None:
    code, _, err = raibid("log", "deployment/alone", "-n", "ci")
    assert code == ExitCode.UNMANAGED
    assert "nobody applies it" in err


def test_a_branch_that_cannot_be_read_does_not_hide_the_others(raibid: Stage) -> None:
    source = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository"}
    metadata = {"name": "other", "namespace": "flux-system"}
    raibid.cluster.put({**source, "metadata": metadata, "spec": {"url": "https://stranger.example.org/x.git"}})
    reference = {"kind": "GitRepository", "name": "other"}
    raibid.cluster.put(kustomization("strangers", "./", sourceRef=reference))
    code, out, _ = raibid("log", "--json")
    assert code == ExitCode.OK
    known = {branch["repository"]: branch for branch in json.loads(out)}
    assert len(known[raibid.host.clone_url(FLEET)]["log"]) == 5
    assert "not an allowed host" in known["https://stranger.example.org/x.git"]["note"]
