"""A Secret's value that is changed in Git: in no subject, title, text or shown diff, whichever way it takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from raibid.contract import ExitCode
from raibid.gitops.change.veil import veiled

from tests.gitops.change_stage import CONFIG, FLEET, Stage, kustomization, staged

APP = "apps/dgx-spark"
IDS = ("ci_web_apps_Deployment", "ci_web__ConfigMap", "flux-system_passwords__Secret", "flux-system_own__ConfigMap")
SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: passwords, namespace: flux-system}
stringData:
  db_password: 0ld-one
"""
OWN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own, namespace: flux-system}\ndata:\n  x: 'y'\n"
RESOURCES = "resources: [web.yaml, config.yaml, secret.yaml, own.yaml]\n"


@pytest.fixture
def raibid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Stage]:
    """`data.PW` of the ConfigMap is `${db_password}`, which a Secret has."""
    (tmp_path / "pw").write_text("hunter2")
    with staged(tmp_path, monkeypatch, capsys) as stage:
        files = {"config.yaml": f"{CONFIG}  PW: ${{db_password}}\n", "kustomization.yaml": RESOURCES}
        files |= {"secret.yaml": SECRET, "own.yaml": OWN}
        stage.host.commit(FLEET, {f"{APP}/{name}": content for name, content in files.items()})
        sources = [{"kind": "Secret", "name": "passwords"}, {"kind": "ConfigMap", "name": "own"}]
        stage.cluster.put(kustomization("apps", f"./{APP}", *IDS, postBuild={"substituteFrom": sources}))
        metadata = {"namespace": "flux-system"}
        for kind, name, key in (("Secret", "passwords", "db_password"), ("ConfigMap", "own", "x")):
            about = {"apiVersion": "v1", "kind": kind, "metadata": {**metadata, "name": name}}
            stage.cluster.put({**about, "data": {key: "eA=="}})
        yield stage


def everything_said(raibid: Stage, report: dict[str, Any]) -> str:
    return json.dumps([report, raibid.forge.pulls, raibid.host.message(FLEET, report["done"]["branch"])])


@pytest.mark.parametrize("policy", ["push", "pr"])
@pytest.mark.parametrize("word", ["data.PW=hunter2", "data.PW=@{}/pw"], ids=["argument", "file"])
@pytest.mark.parametrize("about", ["cm/web -n ci", "secret/passwords -n flux-system"], ids=["variable", "itself"])
def test_a_secrets_value_in_clear_is_told_nowhere(
    raibid: Stage, tmp_path: Path, policy: str, word: str, about: str
) -> None:
    if about.startswith("secret"):
        word = word.replace("data.PW", "stringData.db_password")
    report = raibid.change("set", *about.split(), word.format(tmp_path), "--policy", policy)
    said = everything_said(raibid, report)
    assert not {"hunter2", "0ld-one"} & {word for word in ("hunter2", "0ld-one") if word in said}
    assert "a Secret's values: not shown" in report["diff"]
    assert any("is not encrypted" in note for note in report["notes"])
    assert "db_password: hunter2" in raibid.host.text(FLEET, f"{APP}/secret.yaml", report["done"]["branch"])


def test_a_value_from_a_file_is_in_no_subject_and_title(raibid: Stage, tmp_path: Path) -> None:
    report = raibid.change("set", "cm/web", "-n", "ci", f"data.LEVEL=@{tmp_path}/pw", "--policy", "pr")
    assert raibid.forge.pulls[0]["title"] == "Set data.LEVEL of ConfigMap/ci/web"
    assert "hunter2" not in raibid.host.message(FLEET, report["done"]["branch"])


def test_what_a_secret_has_never_goes_into_a_config_map(raibid: Stage) -> None:
    emitted = {"clusters/dgx-spark/emitted.json": json.dumps({"files": {f"{APP}/secret.yaml": "0" * 64}})}
    raibid.host.commit(FLEET, emitted)
    commits = raibid.commits
    code, _, err = raibid("set", "cm/web", "-n", "ci", "data.PW=hunter2", "--yes", "--no-watch")
    assert code == ExitCode.FAILED
    assert "`pulumi up` writes" in err
    assert "hunter2" not in err
    assert raibid.commits == commits


def hunk(path: str, line: int, text: str) -> str:
    return f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -{line} +{line} @@\n-{text}\n+new\n"


PLAIN = "kind: ConfigMap\ndata: {a: b}\n"


@pytest.mark.parametrize(
    ("path", "content", "line", "hidden"),
    [
        ("a.yaml", SECRET, 5, True),
        ("a.yaml", f"{PLAIN}---\n{SECRET}", 2, False),
        ("a.yaml", f"{PLAIN}---\n{SECRET}", 8, True),
        ("a.yaml", f"{SECRET}---\n{PLAIN}", 8, False),
        ("a.yaml", "kind: List\nitems: [{kind: Secret, data: {a: b}}]\n", 2, True),
        ("a.yaml", f"{SECRET}sops: {{}}\n", 5, True),
        ("a.yaml", f"{SECRET}sops: {{mac: 'ENC[x]'}}\n", 5, True),
        ("a.yaml", "kind: Secret\ndata: {a: 'ENC[b]'}\nsops: {mac: 'ENC[x]'}\n", 2, False),
        ("a.yaml", "kind: HelmRelease\nspec: {valuesFrom: [{kind: Secret}]}\n", 2, False),
        ("kustomization.yaml", "secretGenerator: [{name: a, literals: [a=b]}]\n", 1, True),
        ("kustomization.yaml", "secretGenerator: [{name: a, files: [a]}]\n", 1, False),
        ("kustomization.yaml", "patches: [{patch: '{kind: Secret, data: {a: b}}'}]\n", 1, True),
        ("a.yaml", "kind: Secret\n: : [\n", 2, True),
        ("made.env", "A=b\n", 1, True),
        ("b.env", "A=b\n", 1, False),
    ],
)
def test_lines_of_a_secret_in_clear_are_left_out_and_no_others(
    path: str, content: str, line: int, hidden: bool
) -> None:
    shown = veiled(hunk(path, line, "old"), lambda _: content, lambda _: content, {"made.env"})
    assert ("-old" not in shown) is hidden
    assert f"@@ -{line} +{line} @@" in shown


def test_a_file_whose_name_git_quotes_is_not_shown() -> None:
    diff = 'diff --git "a/\\303.yaml" "b/\\303.yaml"\n--- "a/\\303.yaml"\n+++ "b/\\303.yaml"\n@@ -1 +1 @@\n-old\n+new\n'
    assert "-old" not in veiled(diff, lambda _: "", lambda _: "")
