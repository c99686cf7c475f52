"""Which files a revert is about, which commits, and what keeps a program from making it alone."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from raibid.gitops.objects import Ref
from raibid.gitops.rollback.closure import clean, closure
from raibid.gitops.rollback.decide import Branch
from raibid.gitops.rollback.look import look
from raibid.gitops.rollback.revert import revert
from raibid.gitops.rollback.tree import Tree

from tests.gitops.made_history import BEGINNING, Change, Content, made, text

WEB = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "web")
LATER = datetime.fromtimestamp(BEGINNING, UTC) + timedelta(days=1)
KUSTOMIZATION = text("resources: [web.yaml]\n")


def files_of(tmp_path: Path, files: dict[str, str], *entries: str) -> set[str]:
    history = made(tmp_path / "fleet", [Change({path: text(content) for path, content in files.items()})])
    return set(closure(Tree.of(history.checkout(), history.commits[0]), entries))


def test_bases_components_patches_and_generators_are_read_and_neighbours_are_not(tmp_path: Path) -> None:
    kustomization = """
resources: [deployment.yaml, ../base, https://example.org/remote.yaml]
components: [../../shared/limits]
patches: [{path: patch.yaml, target: {kind: Deployment}}, {patch: "- op: remove\\n  path: /spec"}]
configMapGenerator: [{name: app, files: [app.conf=conf/app.conf], envs: [app.env]}]
namespace: neighbour
"""
    read = {
        "apps/web/kustomization.yaml": kustomization,
        "apps/web/deployment.yaml": "",
        "apps/web/patch.yaml": "",
        "apps/web/conf/app.conf": "",
        "apps/web/app.env": "",
        "apps/base/kustomization.yml": "resources: [.]\nbases: [missing]\n",
        "shared/limits/Kustomization": "patchesStrategicMerge: [limits.yaml]\n",
        "shared/limits/limits.yaml": "",
    }
    unread = {"apps/web/neighbour": "", "apps/web/neighbour.yaml": "", "shared/other.yaml": ""}
    assert files_of(tmp_path, {**read, **unread}, "./apps/web/") == set(read)


def test_without_a_kustomization_every_manifest_below_is_read(tmp_path: Path) -> None:
    read = {
        "apps/a.yaml": "",
        "apps/deep/er/b.yml": "",
        "apps/own/kustomization.yaml": "resources: [c.yaml]\n",
        "apps/own/c.yaml": "",
    }
    unread = {"apps/README.md": "", "apps/own/unlisted.yaml": "", "apps2/d.yaml": ""}
    assert files_of(tmp_path, {**read, **unread}, "apps") == set(read)


@pytest.mark.parametrize("bad", ["resources: [", "[]", "resources: 7", "resources: {a: [b]}", "&a [*a]", "\x00"])
def test_a_kustomization_that_is_none_is_read_itself(tmp_path: Path, bad: str) -> None:
    assert files_of(tmp_path, {"a/kustomization.yaml": bad, "a/b.yaml": ""}, "a") == {"a/kustomization.yaml"}


def test_the_root_may_be_a_base(tmp_path: Path) -> None:
    files = {"a/kustomization.yaml": "resources: [..]\n", "kustomization.yaml": "resources: [b.yaml]\n", "b.yaml": ""}
    assert files_of(tmp_path, files, "a") == set(files)


def test_a_circle_and_a_way_out_of_the_repository_end(tmp_path: Path) -> None:
    files = {"a/kustomization.yaml": "resources: [../b, ../../etc]\n", "b/kustomization.yaml": "resources: [../a]\n"}
    assert files_of(tmp_path, files, "a") == set(files)


@pytest.mark.parametrize(("path", "said"), [("./", ""), ("", ""), ("./a/", "a"), ("/a//b/../c", "a/c"), ("../a", "a")])
def test_paths_are_spelled_as_git_does(path: str, said: str) -> None:
    assert clean(path) == said


def seen(tmp_path: Path, *changes: Change, now: datetime = LATER) -> Branch:
    history = made(tmp_path / "fleet", changes)
    return look(history.checkout(), ["apps/web"], history.commits[0], history.commits[-1], about=WEB, now=now)


def first(**files: str) -> Change:
    return Change({"apps/web/kustomization.yaml": KUSTOMIZATION, "apps/web/web.yaml": text(files.get("web", "a: 1\n"))})


def web(content: str, message: str = "change") -> Change:
    return Change({"apps/web/web.yaml": text(content)}, message)


def test_the_branch_tells_who_touched_the_path_and_which_of_them_took_something_back(tmp_path: Path) -> None:
    back = web("a: 1\nb: 1\n", "Roll back\n\nFlux-Rollback: flux-system/web\n")
    branch = seen(tmp_path, first(), web("a: 2\nb: 1\n"), Change({"README.md": text("")}), back)
    assert [suspect.takes_back_for for suspect in branch.suspects] == [("flux-system/web",), ()]
    assert branch.good_is_ancestor
    assert not branch.exclusions


def test_what_was_read_at_the_good_commit_counts_though_it_is_not_read_any_more(tmp_path: Path) -> None:
    before = Change({"apps/web/kustomization.yaml": KUSTOMIZATION, "apps/web/web.yaml": text("a: 1\n")})
    dropped = Change({"apps/web/kustomization.yaml": text("resources: []\n")})
    assert len(seen(tmp_path, before, web("a: 2\n"), dropped).suspects) == 2


@pytest.mark.parametrize(("minutes", "told"), [(59, True), (61, False)])
def test_the_last_rollback_of_an_hour_is_found_before_the_good_commit(tmp_path: Path, minutes: int, told: bool) -> None:
    back = web("a: 1\n", "Roll back\n\nFlux-Rollback: flux-system/web\n")
    others = web("a: 1\nb: 1\n", "Roll back\n\nFlux-Rollback: flux-system/other\n")
    history = made(tmp_path / "fleet", [first(), web("a: 2\n"), back, others, web("a: 3\n")])
    now = datetime.fromtimestamp(BEGINNING + 3 * 60, UTC) + timedelta(minutes=minutes)
    branch = look(history.checkout(), ["apps/web"], history.commits[3], history.commits[4], about=WEB, now=now)
    assert (branch.last_rollback is not None) == told
    assert [suspect.sha for suspect in branch.suspects] == [history.commits[4]]


def test_a_good_commit_that_is_not_in_the_history_is_told(tmp_path: Path) -> None:
    history = made(tmp_path / "fleet", [first(), web("a: 2\n")])
    branch = look(history.checkout(), ["apps/web"], "0" * 40, history.commits[1], about=WEB, now=LATER)
    assert not branch.good_is_ancestor


CLAIM = "kind: PersistentVolumeClaim\nmetadata:\n  name: data\n  namespace: ci\n"
AGE = "age1" + "q" * 58
FLUX = "apiVersion: {}.toolkit.fluxcd.io/v2\nkind: {}\nmetadata: {{name: data}}\n"
PRECIOUS = {
    "stage added": ("a: 1\n", FLUX.format("kustomize", "Kustomization")),
    "release added": ("a: 1\n", FLUX.format("helm", "HelmRelease")),
    "release in a file that broke": (FLUX.format("helm", "HelmRelease"), "a: [\n"),
    "too large to be looked into": ("a: 1\n", "#" * 17_000_000),
    "claim deleted": (CLAIM, "a: 1\n"),
    "claim added": ("a: 1\n", CLAIM),
    "claim renamed": (CLAIM, CLAIM.replace("data", "other")),
    "claim in a file that broke": (CLAIM, "a: [\n"),
    "claim as JSON": (json.dumps({"kind": "Namespace", "metadata": {"name": "ci"}}), "{}"),
    "claim in a list": (f"kind: List\nitems:\n- {CLAIM.replace(chr(10), chr(10) + '  ').rstrip()}\n", "a: 1\n"),
    "definition added": ("a: 1\n", "---\nkind: CustomResourceDefinition\nmetadata: {name: x.example.org}\n"),
    "recipients changed": (f"sops: {{age: [{{recipient: {AGE}}}]}}\n", f"sops: {{age: [{{recipient: {AGE}p}}]}}\n"),
}
HARMLESS = {
    "claim changed": (CLAIM, CLAIM + "spec: {}\n"),
    "claim whose file broke": (CLAIM, CLAIM + "spec: [\n"),
    "ciphertext changed": (f"a: 1\nsops: [{AGE}]\n", f"a: 2\nsops: [{AGE}]\n"),
    "kustomize's own": ("a: 1\n", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"),
    "release changed": (FLUX.format("helm", "HelmRelease"), FLUX.format("helm", "HelmRelease") + "spec: {}\n"),
    "other kinds": ("kind: Deployment\nmetadata: {name: a}\n", "kind: Secret\nmetadata: {name: Namespace}\n"),
    "junk": ("- kind: [Namespace]\n", "kind: {Namespace: 1}\nmetadata: 7\nitems: 3\n"),
}


@pytest.mark.parametrize(("before", "after"), PRECIOUS.values(), ids=PRECIOUS)
def test_what_no_commit_brings_back_is_for_a_person(tmp_path: Path, before: str, after: str) -> None:
    assert seen(tmp_path, first(web=before), web(after)).exclusions


@pytest.mark.parametrize(("before", "after"), HARMLESS.values(), ids=HARMLESS)
def test_everything_else_is_taken_back_by_the_program(tmp_path: Path, before: str, after: str) -> None:
    assert not seen(tmp_path, first(web=before), web(after)).exclusions


def test_new_rules_of_encryption_are_for_a_person_wherever_they_are(tmp_path: Path) -> None:
    both = Change({".sops.yaml": text("creation_rules: []\n"), "apps/web/web.yaml": text("a: 2\n")})
    assert seen(tmp_path, first(), both).exclusions


def test_a_claim_that_only_moved_to_another_file_stays(tmp_path: Path) -> None:
    moved: dict[str, Content] = {
        "apps/web/web.yaml": text("a: 1\n"),
        "apps/web/claim.yaml": text(CLAIM),
        "apps/web/kustomization.yaml": text("resources: [web.yaml, claim.yaml]\n"),
    }
    assert not seen(tmp_path, first(web=CLAIM), Change(moved)).exclusions


def record(**contents: str) -> Content:
    digests = {f"apps/{name}.yaml": hashlib.sha256(data.encode()).hexdigest() for name, data in contents.items()}
    return text(json.dumps({"files": digests}, indent=1, sort_keys=True) + "\n")


def test_the_programs_record_goes_back_with_the_file_and_only_with_it(tmp_path: Path) -> None:
    def emission(web: str, other: str) -> Change:
        return Change(
            {
                "apps/web.yaml": text(web),
                "apps/other.yaml": text(other),
                "clusters/dev/emitted.json": record(web=web, other=other),
            }
        )

    history = made(tmp_path / "fleet", [emission("a: 1\n", "b: 1\n"), emission("a: 2\n", "b: 2\n")])
    checkout = history.checkout()
    assert revert(checkout, ["apps/web.yaml"], *history.commits, about=WEB)
    kept = record(web="a: 1\n", other="b: 2\n")
    assert kept is not None
    assert (history.at / "clusters/dev/emitted.json").read_bytes() == kept[1]
    assert "pulumi up" in checkout.git("log", "-1", "--format=%B")


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "[]",
        '{"files": []}',
        '{"files": {"x": ' + "[" * 900 + "]" * 900 + "}}",
        "{" * 10000,
        '{"files": {"apps/web.yaml": null}}',
    ],
)
def test_a_record_of_somebody_elses_making_is_left_as_it_is(tmp_path: Path, junk: str) -> None:
    before = Change({"apps/web.yaml": text("a: 1\n"), "clusters/dev/emitted.json": text(junk)})
    history = made(tmp_path / "fleet", [before, Change({"apps/web.yaml": text("a: 2\n")})])
    assert revert(history.checkout(), ["apps/web.yaml"], *history.commits, about=WEB)
    assert (history.at / "clusters/dev/emitted.json").read_text() == junk
