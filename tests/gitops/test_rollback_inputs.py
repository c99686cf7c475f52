"""A failure by what lies outside of a Kustomization's path is not taken out on the path's files."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from raibid.gitops.objects import Condition, Ref
from raibid.gitops.owner.ownership import Claim, Place
from raibid.gitops.rollback.by_hand import Subject, plan
from raibid.gitops.rollback.decide import Decision, Facts, Kind, decide
from raibid.gitops.rollback.inputs import inputs_of
from raibid.gitops.rollback.look import look
from raibid.gitops.rollback.revert import revert

from tests.gitops.junk import JUNK
from tests.gitops.made_history import BEGINNING, Change, Content, made, text

WEB = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "web")
NOW = datetime.fromtimestamp(BEGINNING, UTC) + timedelta(days=1)
MANIFEST: dict[str, Any] = {
    "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
    "kind": "Kustomization",
    "metadata": {"name": "web", "namespace": "flux-system"},
    "spec": {
        "postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "cluster-vars"}]},
        "decryption": {"provider": "sops", "secretRef": {"name": "sops-age"}},
    },
}
INPUTS = inputs_of(MANIFEST)


def stage(path: str) -> Content:
    head = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
    return text(f"{head}metadata: {{name: web, namespace: flux-system}}\nspec: {{path: {path}}}\n")


def variables(value: str, namespace: str = "") -> Content:
    where = f", namespace: {namespace}" if namespace else ""
    return text(f"kind: ConfigMap\nmetadata: {{name: cluster-vars{where}}}\ndata: {{v: {value}}}\n")


FIRST: dict[str, Content] = {
    "apps/web/a.yaml": text("a: ${v}\n"),
    "clusters/dev/web.yaml": stage("apps/web"),
    "clusters/dev/vars.yaml": variables("one"),
    "clusters/dev/other.yaml": text("kind: ConfigMap\nmetadata: {name: other}\n"),
}


def decided(tmp_path: Path, *changes: dict[str, Content], path: str = "apps/web") -> Decision:
    made_up = made(tmp_path / "fleet", [Change(FIRST), *(Change(files) for files in changes)])
    good, bad = made_up.commits[0], made_up.commits[-1]
    branch = look(made_up.checkout(), [path], good, bad, about=WEB, now=NOW, inputs=INPUTS)
    failed = Condition("Ready", "False", "HealthCheckFailed", "timeout")
    facts = Facts(about=WEB, ready=failed, fetched=bad, attempted=bad, applied=good, attempts=2, branch=branch)
    return decide(facts, now=NOW)


INNOCENT: dict[str, Content] = {"apps/web/b.yaml": text("b: 1\n")}
OUTSIDE = {
    "its variables": {"clusters/dev/vars.yaml": variables("two")},
    "its variables, with their namespace": {"clusters/dev/vars.yaml": variables("two", "flux-system")},
    "its variables, deleted": {"clusters/dev/vars.yaml": None},
    "its variables, no YAML any more": {"clusters/dev/vars.yaml": text("cluster-vars: [")},
    "its variables, by a generator": {
        "clusters/dev/kustomization.yaml": text("configMapGenerator: [{name: cluster-vars, literals: [v=two]}]\n")
    },
    "its key": {"clusters/dev/key.yaml": text("kind: Secret\nmetadata: {name: sops-age}\n")},
    "its own manifest": {"clusters/dev/web.yaml": stage("apps")},
}


@pytest.mark.parametrize("innocent", [[], [INNOCENT]], ids=["alone", "and an innocent commit"])
@pytest.mark.parametrize("bad", OUTSIDE.values(), ids=OUTSIDE)
def test_what_it_is_built_by_changed_elsewhere_so_a_person_is_called_and_told_by_which_commit(
    tmp_path: Path, bad: dict[str, Content], innocent: list[dict[str, Content]]
) -> None:
    decision = decided(tmp_path, bad, *innocent)
    assert decision.kind is Kind.STOP
    assert made_by(tmp_path, 1) in decision.reason


def made_by(tmp_path: Path, number: int) -> str:
    marks = dict(line.split() for line in (tmp_path / "fleet" / ".git" / "marks").read_text().splitlines())
    return marks[f":{2 * (number + 1)}"][:12]


def test_a_path_that_moved_is_not_emptied(tmp_path: Path) -> None:
    moved: dict[str, Content] = {
        "apps/web/a.yaml": None,
        "apps/new/a.yaml": text("a: broken\n"),
        "clusters/dev/web.yaml": stage("apps/new"),
    }
    assert decided(tmp_path, moved, path="apps/new").kind is Kind.STOP


HARMLESS: dict[str, dict[str, Content]] = {
    "others' variables": {"clusters/dev/other.yaml": variables("x", "elsewhere")},
    "the same in another file": {"clusters/dev/vars.yaml": None, "clusters/dev/v2.yaml": variables("one")},
    "words": {"README.md": text("cluster-vars\n")},
}


@pytest.mark.parametrize("beside", HARMLESS.values(), ids=HARMLESS)
def test_what_does_not_change_them_is_no_reason(tmp_path: Path, beside: dict[str, Content]) -> None:
    assert decided(tmp_path, {**INNOCENT, **beside}).kind is Kind.ROLL_BACK


def test_variables_below_its_own_path_go_back_with_it(tmp_path: Path) -> None:
    made_up = made(
        tmp_path / "fleet",
        [Change({**FIRST, "apps/web/vars.yaml": variables("one")}), Change({"apps/web/vars.yaml": variables("two")})],
    )
    good, bad = made_up.commits
    checkout = made_up.checkout()
    assert not look(checkout, ["apps/web"], good, bad, about=WEB, now=NOW, inputs=INPUTS).outside
    assert revert(checkout, ["apps/web"], good, bad, about=WEB)


@given(JUNK, JUNK)
def test_a_kustomization_of_any_shape_has_inputs(spec: Any, post_build: Any) -> None:
    for value in (spec, {"postBuild": post_build, "decryption": spec, "kubeConfig": post_build}):
        assert inputs_of({**MANIFEST, "spec": value})[0] == WEB


def test_another_appliers_rollback_is_no_suspect_and_none_of_ones_own(tmp_path: Path) -> None:
    shared = {"base/s.yaml": text("a: 1\n"), "k1/kustomization.yaml": text("resources: [../base/s.yaml]\n")}
    own: dict[str, Content] = {**shared, "k2/kustomization.yaml": text("resources: [../base/s.yaml, own.yaml]\n")}
    bad: dict[str, Content] = {"base/s.yaml": text("a: 2\n"), "k2/own.yaml": text("b: 2\n")}
    made_up = made(tmp_path / "fleet", [Change({**own, "k2/own.yaml": text("b: 1\n")}), Change(bad)])
    checkout = made_up.checkout()
    back = revert(checkout, ["k1"], *made_up.commits, about=replace(WEB, name="k1"))
    assert back is not None
    checkout.git("update-ref", "refs/remotes/origin/main", back)
    k2 = replace(WEB, name="k2")
    branch = look(checkout, ["k2"], made_up.commits[0], back, about=k2, now=NOW)
    assert [suspect.sha for suspect in branch.suspects] == [made_up.commits[1]]
    assert branch.last_rollback is None
    assert revert(checkout, ["k2"], made_up.commits[0], back, about=k2)
    assert checkout.git("show", "HEAD:k2/own.yaml") == "b: 1\n"
    assert checkout.git("log", "-1", "--format=%B").count("Reverts: ") == 1


@pytest.mark.parametrize("moved", [False, True])
def test_by_hand_it_is_said_before_anybody_confirms(tmp_path: Path, moved: bool) -> None:
    path = "apps/new" if moved else "apps/web"
    bad: dict[str, Content] = {f"{path}/b.yaml": text("b: 1\n"), "clusters/dev/web.yaml": stage(path)}
    made_up = made(tmp_path / "fleet", [Change(FIRST), Change({**bad, "clusters/dev/vars.yaml": variables("two")})])
    place = Place(repository="https://gitea.dgx.local/raibid/fleet.git", branch="main", path=path)
    claim = Claim(chain=(), edit=WEB, place=place)
    subject = Subject(about=WEB, claim=claim, place=place, paths=(path,), inputs=INPUTS)
    planned = plan(made_up.checkout(), subject, to=made_up.commits[0], commits=(), now=NOW)
    assert any(("another path" if moved else "cluster-vars") in reason for reason in planned.exclusions)
