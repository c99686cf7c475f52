"""`raibid gitops rollback` as it is typed: over real HTTP, by its answers, commits and exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from raibid.contract import ExitCode
from raibid.gitops.change.message import trailers_of

from tests.gitops.change_stage import CONFIG, FILE, FLEET, WEB, Stage, kustomization, staged

CONFIG_FILE = "apps/dgx-spark/config.yaml"
BAD = WEB.replace("web:1.0", "web:broken")
APPS = ("kustomization/apps", "-n", "flux-system")


@pytest.fixture
def raibid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Stage]:
    with staged(tmp_path, monkeypatch, capsys) as stage:
        stage.host.commit(FLEET, {CONFIG_FILE: CONFIG.replace("1", "2"), "README.md": "read me\n"}, "A new level")
        stage.host.commit(FLEET, {FILE: BAD, "docs/notes.md": "a new image\n"}, "A new image")
        yield stage


def failing(stage: Stage, reason: str, message: str, status: str = "False") -> None:
    """Flux on the newest commit, after the first one had passed."""
    head, *_, first = stage.host.log(FLEET)
    said = {"type": "Ready", "status": status, "reason": reason, "message": message}
    found = kustomization("apps", "./apps/dgx-spark", "ci_web_apps_Deployment", "ci_web__ConfigMap")
    revisions = {"lastAppliedRevision": f"main@sha1:{first}", "lastAttemptedRevision": f"main@sha1:{head}"}
    stage.cluster.put({**found, "status": {**found["status"], **revisions, "conditions": [said]}})
    source = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository"}
    spec = {"url": stage.host.clone_url(FLEET), "ref": {"branch": "main"}}
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "artifact": {"revision": f"main@sha1:{head}"}}
    stage.cluster.put(
        {**source, "metadata": {"name": "fleet", "namespace": "flux-system"}, "spec": spec, "status": ready}
    )


def report(stage: Stage, *arguments: str) -> dict[str, Any]:
    return stage.change("rollback", *arguments)


def test_what_failed_goes_back_to_the_last_commit_that_passed(raibid: Stage) -> None:
    failing(raibid, "HealthCheckFailed", "timeout waiting for: [Deployment/ci/web status: 'InProgress']")
    first = raibid.host.log(FLEET)[-1]
    said = report(raibid, *APPS, "--reason", "does not start")
    assert said["done"]["commit"] == raibid.host.head(FLEET)
    assert (raibid.file(), raibid.file(CONFIG_FILE)) == (WEB, CONFIG)
    assert raibid.file("docs/notes.md") == "a new image\n"
    trailers = trailers_of(raibid.host.message(FLEET))
    assert trailers["Flux-Rollback"] == ("flux-system/apps",)
    assert trailers["Known-Good"] == (first,)
    assert trailers["Raibid-Reason"] == ("does not start",)


def test_while_flux_tries_again_it_is_still_all_since_the_last_commit_that_passed(raibid: Stage) -> None:
    failing(raibid, "Progressing", "Reconciliation in progress", "Unknown")
    report(raibid, *APPS)
    assert (raibid.file(), raibid.file(CONFIG_FILE)) == (WEB, CONFIG)


def test_where_nothing_fails_the_last_change_goes(raibid: Stage) -> None:
    said = report(raibid, *APPS)
    assert raibid.file() == WEB
    assert raibid.file(CONFIG_FILE) == CONFIG.replace("1", "2")
    assert [note.split(" ", 3)[3] for note in said["notes"] if note.startswith("takes back")] == ["A new image"]


def test_asked_for_twice_it_does_not_bring_back_what_was_taken_back(raibid: Stage) -> None:
    report(raibid, *APPS)
    code, _, err = raibid("rollback", *APPS, "--yes")
    assert (code, "took commits back itself" in err) == (ExitCode.FAILED, True)
    assert raibid.file() == WEB


def test_of_an_object_its_file_alone_goes_back(raibid: Stage) -> None:
    report(raibid, "configmap/web", "-n", "ci", "--to", raibid.host.log(FLEET)[-1])
    assert (raibid.file(), raibid.file(CONFIG_FILE)) == (BAD, CONFIG)
    assert trailers_of(raibid.host.message(FLEET))["Raibid-Object"] == ("ConfigMap/ci/web",)


def test_single_commits_may_be_named_by_their_first_digits(raibid: Stage) -> None:
    report(raibid, *APPS, "--commit", raibid.host.log(FLEET)[1][:8])
    assert (raibid.file(), raibid.file(CONFIG_FILE)) == (BAD, CONFIG)


def test_a_dry_run_shows_the_diff_and_pushes_nothing(raibid: Stage) -> None:
    code, out, err = raibid("rollback", *APPS, "--dry-run")
    assert code == ExitCode.OK
    assert "+          image: registry.example.org/web:1.0" in out
    assert "A new image" in err
    assert raibid.host.pushes == 0


def test_what_no_revert_mends_is_refused_unless_somebody_says_which_commit(raibid: Stage) -> None:
    failing(raibid, "BuildFailed", "cannot get sops data key: Error getting data key")
    code, _, err = raibid("rollback", *APPS, "--yes")
    assert code == ExitCode.REFUSED
    assert "decrypt" in err
    assert "--to" in err
    assert raibid.host.pushes == 0
    report(raibid, *APPS, "--commit", raibid.host.head(FLEET))
    assert raibid.file() == WEB


def test_what_no_commit_brings_back_becomes_a_pull_request(raibid: Stage) -> None:
    claim = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: ci}\n"
    raibid.host.commit(FLEET, {FILE: BAD + claim}, "A claim")
    said = report(raibid, *APPS)
    assert said["done"]["number"]
    assert any("PersistentVolumeClaim ci/data" in warning for warning in said["warnings"])
    assert raibid.file() == BAD + claim


def test_a_protected_branch_gets_a_pull_request(raibid: Stage) -> None:
    raibid.host.protect(FLEET)
    before = raibid.host.head(FLEET)
    assert report(raibid, *APPS)["done"]["number"]
    assert raibid.host.head(FLEET) == before


def test_somebody_who_takes_it_back_meanwhile_leaves_nothing_to_do(raibid: Stage) -> None:
    def once() -> None:
        raibid.host.before_push = None
        raibid.host.commit(FLEET, {FILE: WEB}, "mended")

    raibid.host.before_push = once
    assert report(raibid, *APPS)["done"] == {}
    assert raibid.host.message(FLEET).startswith("mended")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("deployment/alone", "-n", "ci", "--yes"), ExitCode.UNMANAGED),
        (("deployment/gone", "-n", "ci", "--yes"), ExitCode.NOT_FOUND),
        ((*APPS, "--to", "0" * 40, "--yes"), ExitCode.FAILED),
        ((*APPS, "--to", "HEAD~1", "--yes"), ExitCode.FAILED),
        ((*APPS, "--to", "abcdef0", "--commit", "abcdef0", "--yes"), ExitCode.USAGE),
        (APPS, ExitCode.USAGE),
    ],
    ids=["unmanaged", "gone", "no such commit", "no commit", "both", "nobody to ask"],
)
def test_what_makes_no_sense_is_refused_in_words(raibid: Stage, arguments: tuple[str, ...], code: int) -> None:
    answer, out, err = raibid("rollback", *arguments)
    assert answer == code
    assert err.strip()
    assert not out
    assert raibid.host.pushes == 0


def test_a_commit_that_did_not_touch_it_is_told(raibid: Stage) -> None:
    other = raibid.host.commit(FLEET, {"README.md": "else\n"}, "Words")
    code, _, err = raibid("rollback", *APPS, "--commit", other, "--yes")
    assert (code, "did not touch" in err) == (ExitCode.FAILED, True)


def test_the_report_is_one_document_of_json(raibid: Stage) -> None:
    code, out, _ = raibid("rollback", *APPS, "--dry-run", "--json")
    assert code == ExitCode.OK
    assert json.loads(out)["change"]["changed"]
