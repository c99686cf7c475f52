"""`raibid gitops watch` and `verify` as they are typed: an API server and a repository over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from raibid.cli.main import run
from raibid.contract import Env, ExitCode
from raibid.gitops.cluster import Happening

from tests.gitops.flux_fake import APPS, FLEET, FakeFlux
from tests.gitops.git_host import GitHost
from tests.gitops.live_server import LiveServer


@dataclass(frozen=True)
class Stage:
    flux: FakeFlux
    host: GitHost
    first: str
    """The commit that everything is at."""

    def push(self) -> str:
        """Another commit, which nobody has fetched yet."""
        return self.host.commit("raibid/fleet", {"apps/web.yaml": "replicas: 2\n"})

    def all_at(self, sha: str) -> None:
        self.flux.fetch(sha)
        self.flux.apply("apps", sha)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A repository that Flux reads, and a Kustomization at its newest commit."""
    flux = FakeFlux()
    with GitHost(tmp_path) as host, LiveServer(flux.cluster) as server:
        flux.url = host.repository("raibid/fleet", {"apps/web.yaml": "replicas: 1\n"})
        settings = tmp_path / "gitops.yaml"
        settings.write_text("hosts: [127.0.0.1]\n")
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path)))
        monkeypatch.setenv(Env.GITOPS_FILE, str(settings))
        monkeypatch.setenv(Env.FORGE_CREDENTIALS_FILE, str(host.credentials(tmp_path / "credentials")))
        stage = Stage(flux, host, host.head("raibid/fleet"))
        stage.all_at(stage.first)
        yield stage


Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["gitops", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_commit_is_asked_for_and_told_step_by_step(stage: Stage, typed: Typed) -> None:
    sha = stage.push()
    stage.flux.on_request = lambda: stage.all_at(sha)

    code, out, err = typed("watch", "kustomization/apps", "-n", "flux-system", "--commit", sha)

    assert code == ExitCode.OK
    assert out.startswith(f"{sha[:12]} is healthy")
    assert "healthy        Kustomization/flux-system/apps  Applied revision" in err
    assert stage.flux.asked == [FLEET]


def test_json_is_one_document_per_line_and_the_result_last(stage: Stage, typed: Typed) -> None:
    sha = stage.push()
    stage.flux.on_request = lambda: (stage.flux.fetch(sha), stage.flux.fail("apps", sha))

    code, out, err = typed("watch", "gitrepository/fleet", "-n", "flux-system", "--commit", sha, "--json")

    *steps, last = lines(out)
    assert (code, err) == (ExitCode.FAILED, "")
    assert [step["step"]["outcome"] for step in steps][-1:] == ["failing"]
    assert (last["result"]["outcome"], last["result"]["sha"]) == ("failing", sha)
    assert last["result"]["object"]["name"] == "apps"


def test_a_failure_says_which_object_why_and_its_events(stage: Stage, typed: Typed) -> None:
    stage.flux.cluster.tell(APPS, Happening("Warning", "BuildFailed", "accumulating", "2026-11-21T12:00:00Z"))
    stage.flux.fail("apps", stage.first, message="no such file")

    code, out, _ = typed("watch")

    assert code == ExitCode.FAILED
    assert "Kustomization/flux-system/apps: BuildFailed: no such file" in out
    assert "2026-11-21T12:00:00Z  Warning  BuildFailed: accumulating" in out


def test_time_that_is_over_has_an_exit_code_of_its_own(stage: Stage, typed: Typed) -> None:
    code, out, _ = typed("watch", "--commit", stage.push(), "--timeout", "0.2")
    assert code == ExitCode.UNFINISHED
    assert "is not-fetched" in out
    assert ", and the time is over\nGitRepository/flux-system/fleet: it is at main@sha1:" in out


def test_a_later_commit_counts_if_the_repository_says_that_it_contains_it(stage: Stage, typed: Typed) -> None:
    stage.all_at(stage.push())
    code, out, _ = typed("watch", "--commit", stage.first)
    assert code == ExitCode.OK
    assert out.startswith(f"{stage.first[:12]} is healthy")


@pytest.mark.parametrize("command", ["watch", "verify"])
def test_a_reverted_commit_is_not_healthy_and_the_revert_of_its_revert_is(
    stage: Stage, typed: Typed, command: str
) -> None:
    def reverted(sha: str, replicas: int) -> str:
        files = {"apps/web.yaml": f"replicas: {replicas}\n"}
        return stage.host.commit("raibid/fleet", files, f"Revert\n\nThis reverts commit {sha}.\n")

    bad = stage.push()
    arguments = (command, "kustomization/apps", "-n", "flux-system", "--commit", bad)
    revert = reverted(bad, 1)
    stage.all_at(revert)
    code, out, _ = typed(*arguments)
    assert (code, f"it is reverted by {revert}" in out) == (ExitCode.FAILED, True)
    stage.all_at(reverted(revert, 2))
    assert typed(*arguments)[0] == ExitCode.OK


def test_probes_are_asked_in_a_watch_once_all_is_healthy(stage: Stage, typed: Typed) -> None:
    stage.flux.manage("demo_web_apps_Deployment")
    stage.all_at(stage.first)
    arguments = ("watch", "deployment/web", "-n", "demo")
    assert typed(*arguments, "--cel", "status.readyReplicas == 1")[0] == ExitCode.OK
    code, out, _ = typed(*arguments, "--cel", "status.readyReplicas == 9", "--timeout", "0.3")
    assert (code, "status.readyReplicas == 9 is" in out) == (ExitCode.UNFINISHED, True)
    url = stage.host.clone_url("raibid/none")
    code, out, _ = typed(*arguments, "--http", url, "--timeout", "0.3")
    assert (code, f"GET {url}: status" in out) == (ExitCode.UNFINISHED, True)


def test_without_the_repository_a_note_says_what_that_means(
    stage: Stage, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(Env.GITOPS_FILE)
    stage.all_at(stage.push())
    code, _, err = typed("watch", "--commit", stage.first, "--timeout", "0.2")
    assert code == ExitCode.UNFINISHED
    assert "is not an allowed host" in err
    assert f"only {stage.first} itself counts" in err


def test_verify_is_no_when_the_branch_has_a_newer_commit(stage: Stage, typed: Typed) -> None:
    sha = stage.push()
    code, out, _ = typed("verify", "kustomization/apps", "-n", "flux-system")
    assert code == ExitCode.FAILED
    assert out.startswith(f"{sha[:12]} is not-fetched")
    assert f"GitRepository/flux-system/fleet: it is at main@sha1:{stage.first}" in out
    assert stage.flux.asked == []


def test_verify_is_yes_when_the_object_is_healthy_at_the_newest_commit(stage: Stage, typed: Typed) -> None:
    stage.flux.manage("demo_web_apps_Deployment")
    stage.all_at(stage.push())
    arguments = ("verify", "deployment/web", "-n", "demo", "--cel", "status.readyReplicas == 1")
    code, out, _ = typed(*arguments)
    assert code == ExitCode.OK
    assert out.startswith(f"{stage.host.head('raibid/fleet')[:12]} is healthy")
    stage.flux.deploy(available=0)
    code, out, _ = typed(*arguments)
    assert code == ExitCode.FAILED
    assert "Deployment/demo/web: in progress: available: 0/1" in out


def test_verify_tells_what_was_changed_by_hand(stage: Stage, typed: Typed) -> None:
    stage.flux.manage("demo_web_apps_Deployment")
    stage.all_at(stage.first)
    fields: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
    stage.flux.deploy(managed=[{"manager": "kubectl", "operation": "Update", "fieldsV1": fields}])
    code, _, err = typed("verify", "deployment/web", "-n", "demo")
    assert code == ExitCode.OK
    assert "note: drift: kubectl has set spec.replicas of Deployment/demo/web" in err


def test_verify_of_what_nobody_applies_says_so(stage: Stage, typed: Typed) -> None:
    code, _, err = typed("verify", "deployment/web", "-n", "demo")
    assert code == ExitCode.UNMANAGED
    assert "Deployment/demo/web: nobody applies it from Git" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("watch", "--commit", "main"), ExitCode.USAGE),
        (("watch", "kustomization/none", "-n", "flux-system"), ExitCode.NOT_FOUND),
        (("watch", "nonsense/none"), ExitCode.NOT_FOUND),
        (("verify", "kustomization/apps", "-n", "flux-system", "--cel", "status >="), ExitCode.USAGE),
        (("verify", "kustomization/apps", "-n", "flux-system", "--http", "file:///etc/passwd"), ExitCode.USAGE),
    ],
)
def test_what_cannot_be_asked_has_its_exit_code(
    stage: Stage, typed: Typed, arguments: tuple[str, ...], code: int
) -> None:
    assert typed(*arguments)[0] == code
