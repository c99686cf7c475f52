"""`raibid gitops set`, `image`, `scale` as they are typed: over real HTTP, by their answers, commits and exit codes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from raibid.contract import Env, ExitCode
from raibid.gitops.change.message import trailers_of
from raibid.gitops.objects import Ref
from raibid.kube.errors import KubeConflictError, KubeInvalidError

from tests.gitops.change_stage import FILE, FLEET, WEB, Stage, kustomization, staged
from tests.gitops.git_host import PASSWORD

CONTAINERS = "spec.template.spec.containers"
UNKNOWN = "failed to create typed patch object: .spec.replcas: field not declared in schema"


@pytest.fixture
def raibid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Stage]:
    with staged(tmp_path, monkeypatch, capsys) as stage:
        yield stage


def test_a_field_is_set_in_its_file_and_nothing_else_of_it_changes(raibid: Stage) -> None:
    report = raibid.change("set", "deploy/web", "-n", "ci", "spec.replicas=3")
    assert raibid.file() == WEB.replace("replicas: 1 ", "replicas: 3 ")
    assert report["done"]["commit"] == raibid.host.head(FLEET)
    assert "-  replicas: 1  # one is enough\n+  replicas: 3  # one is enough" in report["diff"]
    assert raibid.writes == []


def test_the_commit_says_what_why_and_who(raibid: Stage) -> None:
    raibid.change("scale", "deploy/web", "2", "-n", "ci", "--reason", "two\nare better")
    message = raibid.host.message(FLEET)
    assert message.startswith("Scale Deployment/ci/web to 2\n")
    trailers = trailers_of(message)
    assert trailers["Raibid-Object"] == ("Deployment/ci/web",)
    assert trailers["Raibid-Reason"] == ("two are better",)
    assert "@" in trailers["Raibid-By"][0]


def test_an_image_of_the_only_container_needs_no_container(raibid: Stage) -> None:
    raibid.change("image", "deploy/web", "registry.example.org/web:2.0", "-n", "ci")
    assert raibid.file() == WEB.replace("web:1.0", "web:2.0")


def test_the_same_again_is_no_change_and_no_commit(raibid: Stage) -> None:
    code, out, _ = raibid("set", "deploy/web", "-n", "ci", "spec.replicas=1", "--yes")
    assert (code, out) == (ExitCode.OK, "no changes\n")
    assert (raibid.commits, raibid.host.pushes) == (1, 0)


def test_a_number_stays_a_text_where_a_text_is(raibid: Stage) -> None:
    raibid.change("set", "cm/web", "-n", "ci", "data.LEVEL=2")
    assert 'LEVEL: "2"' in raibid.file("apps/dgx-spark/config.yaml")


def test_several_fields_are_one_commit(raibid: Stage) -> None:
    raibid.change("set", "deploy/web", "-n", "ci", "spec.replicas=3", "spec.paused=true")
    assert raibid.commits == 2
    assert "paused: true" in raibid.file()


def test_a_dry_run_shows_and_tries_and_changes_nothing(raibid: Stage) -> None:
    code, out, _ = raibid("set", "deploy/web", "-n", "ci", "spec.replicas=3", "--dry-run")
    assert code == ExitCode.OK
    assert "+  replicas: 3" in out
    assert raibid.commits == 1
    (tried,) = raibid.cluster.written
    assert (tried.dry_run, tried.manager, tried.body["spec"]["replicas"]) == (True, "kustomize-controller", 3)
    assert "managedFields" not in tried.body["metadata"]


def test_what_the_api_server_would_not_take_is_not_committed(raibid: Stage) -> None:
    def admit(manifest: object) -> None:
        raise KubeInvalidError(UNKNOWN)

    raibid.cluster.admit = admit
    code, out, err = raibid("set", "deploy/web", "-n", "ci", "spec.replcas=3", "--yes")
    assert code == ExitCode.FAILED
    assert "field not declared in schema" in err
    assert "+  replcas: 3" in out  # who is refused sees what was tried
    assert raibid.commits == 1


def test_somebody_else_who_sets_the_field_is_a_warning(raibid: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = raibid.cluster.apply

    def contested(manifest: object, **how: bool) -> object:
        if not how.get("force"):
            raise KubeConflictError('conflict with "kube-controller-manager": .spec.replicas')
        return apply(manifest, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(raibid.cluster, "apply", contested)
    report = raibid.change("scale", "deploy/web", "2", "-n", "ci")
    assert "kube-controller-manager" in report["warnings"][0]


def test_without_a_terminal_somebody_has_to_have_said_yes(raibid: Stage) -> None:
    code, _, err = raibid("set", "deploy/web", "-n", "ci", "spec.replicas=3")
    assert code == ExitCode.USAGE
    assert "--yes does it, --dry-run only shows it" in err
    assert raibid.server.asked == []


def test_who_sees_no_diff_is_not_asked_to_agree_to_it(raibid: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO("y\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    code, _, err = raibid("set", "deploy/web", "-n", "ci", "spec.replicas=3", "--json")
    assert (code, raibid.commits) == (ExitCode.USAGE, 1)
    assert "--json shows no diff" in err


@pytest.mark.parametrize(("answer", "code", "commits"), [("y\n", 0, 2), ("n\n", 3, 1), ("", 3, 1), ("nope\n", 3, 1)])
def test_on_a_terminal_the_answer_counts(
    raibid: Stage, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, commits: int
) -> None:
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert raibid("set", "deploy/web", "-n", "ci", "spec.replicas=3", "--no-watch")[0] == code
    assert raibid.commits == commits


def test_a_protected_branch_gets_a_pull_request_and_the_same_again_finds_it(raibid: Stage) -> None:
    raibid.host.protect(FLEET)
    first = raibid.change("set", "deploy/web", "-n", "ci", "spec.replicas=3", "--reason", "load")
    again = raibid.change("set", "deploy/web", "-n", "ci", "spec.replicas=3", "--reason", "load")
    assert first["done"] == again["done"]
    assert first["done"]["pull request"].endswith("/pulls/1")
    (pull,) = raibid.forge.pulls
    assert "**Why:** load" in pull["body"]
    assert "`Deployment/ci/web`" in pull["body"]
    assert "would be reverted" in pull["body"]


def test_what_two_apply_is_refused_and_both_are_named(raibid: Stage) -> None:
    raibid.cluster.put(kustomization("rival", "./elsewhere", "ci_web_apps_Deployment"))
    code, _, err = raibid("scale", "deploy/web", "2", "-n", "ci", "--yes")
    assert code == ExitCode.CONTESTED
    assert "Kustomization/flux-system/apps and Kustomization/flux-system/rival" in err


def test_a_suspended_owner_is_a_warning_and_the_commit_is_made(raibid: Stage) -> None:
    ids = ("ci_web_apps_Deployment", "ci_web__ConfigMap")
    raibid.cluster.put(kustomization("apps", "./apps/dgx-spark", *ids, suspend=True))
    report = raibid.change("scale", "deploy/web", "2", "-n", "ci")
    assert any("suspended" in warning for warning in report["warnings"])
    assert raibid.commits == 2


def test_a_push_that_lands_meanwhile_is_kept(raibid: Stage) -> None:
    def once() -> None:
        raibid.host.before_push = None
        raibid.host.commit(FLEET, {FILE: WEB.replace("one is enough", "theirs")})

    raibid.host.before_push = once
    raibid.change("scale", "deploy/web", "2", "-n", "ci")
    assert raibid.file() == WEB.replace("replicas: 1 ", "replicas: 2 ").replace("one is enough", "theirs")
    assert raibid.commits == 3


def test_a_file_that_somebody_took_away_meanwhile_is_a_sentence_and_theirs_stays(raibid: Stage) -> None:
    def once() -> None:
        raibid.host.before_push = None
        raibid.host.commit(FLEET, {FILE: None, "apps/dgx-spark/kustomization.yaml": "resources: []\n"})

    raibid.host.before_push = once
    code, _, err = raibid("scale", "deploy/web", "2", "-n", "ci", "--yes", "--no-watch")
    assert code == ExitCode.NOT_FOUND, err
    assert raibid.commits == 2


def test_of_an_unknown_forge_the_page_is_told_where_a_person_goes_on(raibid: Stage) -> None:
    raibid.host.api = None
    raibid.host.protect(FLEET)
    done = raibid.change("scale", "deploy/web", "2", "-n", "ci")["done"]
    assert done["open the pull request by hand"] == f"{raibid.host.url}/{FLEET}"
    assert raibid.host.head(FLEET, done["branch"]) == done["commit"]


def test_a_repository_is_reached_where_this_machine_reaches_it(raibid: Stage, tmp_path: Path) -> None:
    inside = "http://gitea-http.infrastructure.svc.cluster.local:3000"
    source = raibid.cluster.get(Ref("source.toolkit.fluxcd.io", "GitRepository", "flux-system", "fleet"))
    raibid.cluster.put({**source, "spec": {**source["spec"], "url": f"{inside}/{FLEET}.git"}})
    (tmp_path / "gitops.yaml").write_text(f"hosts: [127.0.0.1]\naddresses: {{{inside}: {raibid.host.url}}}\n")
    raibid.change("scale", "deploy/web", "2", "-n", "ci")
    assert raibid.commits == 2


def test_another_source_is_tried_where_the_first_has_no_such_file(raibid: Stage) -> None:
    raibid.cluster.remove(Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "apps"))
    url = raibid.host.clone_url(FLEET)
    sources = [{"repoURL": url, "path": path, "targetRevision": "main"} for path in ("apps/dgx-spark", "docs")]
    raibid.host.commit(FLEET, {"docs/kustomization.yaml": "resources: []\n"})
    resource = {"group": "apps", "kind": "Deployment", "namespace": "ci", "name": "web", "status": "Synced"}
    raibid.cluster.put(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "web", "namespace": "argocd"},
            "spec": {
                "sources": sources,
                "destination": {"server": "https://kubernetes.default.svc"},
                "syncPolicy": {"automated": {}},
            },
            "status": {"resources": [resource]},
        }
    )
    raibid.change("scale", "deploy/web", "2", "-n", "ci")
    assert "replicas: 2" in raibid.file()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["set", "gizmo/web", "a=b"], ExitCode.NOT_FOUND, "serves no kind gizmo"),
        (["set", "deploy/none", "-n", "ci", "spec.replicas=2"], ExitCode.NOT_FOUND, "Deployment/ci/none"),
        (["set", "deploy", "a=b"], ExitCode.NOT_FOUND, "is not KIND/NAME"),
        (["set", "deploy/web", "-n", "ci"], ExitCode.USAGE, "nothing to set"),
        (["set", "deploy/web", "-n", "ci", "spec.replicas"], ExitCode.FAILED, "is not FIELD=VALUE"),
        (["set", "deploy/web", "-n", "ci", "..=2"], ExitCode.FAILED, "is not a field"),
        (
            ["set", "deploy/web", "-n", "ci", f"{CONTAINERS}[name=db].image=x"],
            ExitCode.FAILED,
            "name=db",
        ),
        (["image", "deploy/web", "db=x:1", "-n", "ci"], ExitCode.FAILED, "no container db"),
        (["image", "cm/web", "x:1", "-n", "ci"], ExitCode.FAILED, "0 containers"),
        (["scale", "deploy/web", "-1", "-n", "ci"], ExitCode.FAILED, "less than none"),
        (["scale", "deploy/web", "many", "-n", "ci"], ExitCode.USAGE, "many"),
        (["set", "deploy/web", "-n", "ci", "spec.replicas=2", "--policy", "maybe"], ExitCode.USAGE, "maybe"),
        (["set", "cm/web", "-n", "ci", "data.LEVEL=@/nowhere"], ExitCode.NOT_FOUND, "No such file"),
    ],
)
def test_a_wrong_word_is_a_sentence_and_changes_nothing(
    raibid: Stage, arguments: list[str], code: int, said: str
) -> None:
    ended, _, err = raibid(*arguments, "--yes")
    assert ended == code, err
    assert said in err
    assert (raibid.commits, raibid.writes) == (1, [])


def test_a_host_that_is_not_allowed_is_never_asked(raibid: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(Env.GITOPS_FILE)
    code, _, err = raibid("scale", "deploy/web", "2", "-n", "ci", "--yes")
    assert code == ExitCode.REFUSED
    assert "is not an allowed host" in err


def test_missing_credentials_are_a_sentence(raibid: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "none").touch()
    monkeypatch.setenv(Env.FORGE_CREDENTIALS_FILE, str(tmp_path / "none"))
    code, _, err = raibid("scale", "deploy/web", "2", "-n", "ci", "--yes")
    assert code == ExitCode.NOT_FOUND
    assert "file of credentials" in err


def test_a_forge_that_is_down_is_a_sentence_without_the_password(raibid: Stage) -> None:
    raibid.host.stop()
    code, _, err = raibid("scale", "deploy/web", "2", "-n", "ci", "--yes")
    assert code == ExitCode.FAILED
    assert "git fetch failed" in err
    assert PASSWORD not in err


def test_a_huge_diff_is_cut_for_people_and_whole_for_programs(raibid: Stage) -> None:
    value = "\n".join(f"line {number}" for number in range(5_000))
    arguments = ("set", "cm/web", "-n", "ci", f"data.LEVEL={value}", "--dry-run")
    assert "lines more" in raibid(*arguments)[1]
    assert "line 4999" in json.loads(raibid(*arguments, "--json")[1])["change"]["diff"]
