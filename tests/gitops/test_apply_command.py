"""`raibid gitops apply` as it is typed: new manifests into Git where somebody applies them, or directly."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from raibid.contract import Env, ExitCode
from raibid.gitops.objects import Ref
from raibid.kube.errors import KubeInvalidError

from tests.gitops.change_stage import FILES, FLEET, Stage, kustomization, staged

NEW = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: extra, namespace: ci}
data: {A: "1"}
"""


@pytest.fixture
def raibid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Stage]:
    (tmp_path / "new.yaml").write_text(NEW)
    monkeypatch.chdir(tmp_path)
    with staged(tmp_path, monkeypatch, capsys) as stage:
        yield stage


@pytest.fixture
def direct(raibid: Stage, tmp_path: Path) -> Stage:
    """Settings that say: nobody applies new manifests."""
    (tmp_path / "gitops.yaml").write_text("hosts: [127.0.0.1]\nprovider: none\n")
    return raibid


def test_a_new_manifest_is_listed_where_it_is_applied_from(raibid: Stage) -> None:
    report = raibid.change("apply", "-f", "new.yaml")
    assert report["about"] == ["ConfigMap/ci/extra"]
    (added,) = set(raibid.host.files(FLEET)) - set(FILES)
    assert f"- {Path(added).name}" in raibid.file("apps/dgx-spark/kustomization.yaml")
    assert "name: extra" in raibid.file(added)
    assert raibid.writes == []


def test_the_same_again_is_no_change(raibid: Stage) -> None:
    raibid.change("apply", "-f", "new.yaml")
    assert raibid.change("apply", "-f", "new.yaml")["changed"] is False
    assert raibid.commits == 2


def test_manifests_come_from_stdin_and_several_files(raibid: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.stdin", io.StringIO(NEW.replace("extra", "piped") + "---\n" + NEW.replace("extra", "more"))
    )
    report = raibid.change("apply", "-f", "-", "-f", "new.yaml")
    assert report["about"] == ["ConfigMap/ci/piped", "ConfigMap/ci/more", "ConfigMap/ci/extra"]
    assert raibid.commits == 2


def test_the_nearest_path_above_is_whose_applier_is_followed(raibid: Stage) -> None:
    raibid.cluster.put(kustomization("root", "./"))
    raibid.cluster.put(kustomization("deeper", "./apps/dgx-spark/deeper", suspend=True))
    raibid.host.commit(FLEET, {"apps/dgx-spark/deeper/kustomization.yaml": "resources: []\n"})
    assert raibid.change("apply", "-f", "new.yaml")["warnings"] == []
    deeper = raibid.change("apply", "-f", "new.yaml", "--path", "apps/dgx-spark/deeper", "--dry-run")
    assert deeper["changed"] is True
    assert "Kustomization/flux-system/deeper is suspended" in deeper["warnings"][0]


def test_a_path_that_nobody_applies_is_refused(raibid: Stage) -> None:
    code, _, err = raibid("apply", "-f", "new.yaml", "--path", "docs", "--yes")
    assert code == ExitCode.REFUSED
    assert "no Flux Kustomization and no Argo CD Application applies docs of" in err


def test_a_directory_that_no_kustomization_lists_is_refused_for_nothing_would_come_of_it(raibid: Stage) -> None:
    code, _, err = raibid("apply", "-f", "new.yaml", "--path", "apps/dgx-spark/unlisted", "--yes")
    assert code == ExitCode.REFUSED, err
    assert "would not be applied" in err
    assert raibid.commits == 1


def test_a_path_that_two_apply_is_refused(raibid: Stage) -> None:
    raibid.cluster.put(kustomization("twin", "./apps/dgx-spark"))
    code, _, err = raibid("apply", "-f", "new.yaml", "--yes")
    assert code == ExitCode.CONTESTED
    assert "flux-system/apps and Kustomization/flux-system/twin" in err


def test_an_object_of_another_applier_is_refused(raibid: Stage) -> None:
    raibid.cluster.put(kustomization("others", "./others", "ci_alone__ConfigMap"))
    Path("new.yaml").write_text(NEW.replace("extra", "alone"))
    code, _, err = raibid("apply", "-f", "new.yaml", "--yes")
    assert code == ExitCode.REFUSED
    assert "applied from Git by Kustomization/flux-system/others" in err


def test_an_object_that_nobody_applies_yet_is_taken_into_git(raibid: Stage) -> None:
    Path("new.yaml").write_text(NEW.replace("extra", "alone"))
    raibid.change("apply", "-f", "new.yaml")
    assert (raibid.commits, raibid.writes) == (2, [])


def test_the_settings_policy_counts_where_nobody_says_another(raibid: Stage, tmp_path: Path) -> None:
    with (tmp_path / "gitops.yaml").open("a") as settings:
        settings.write("policy: pr\n")
    assert raibid.change("apply", "-f", "new.yaml")["done"]["number"] == 1
    assert raibid.change("apply", "-f", "new.yaml", "--policy", "push")["done"]["branch"] == "main"


@pytest.mark.parametrize("spec", [{}, {"targetNamespace": "apps"}], ids=["default", "the applier's"])
def test_a_manifest_without_a_namespace_gets_the_one_that_its_applier_gives_it(
    raibid: Stage, spec: dict[str, str]
) -> None:
    raibid.cluster.put(kustomization("apps", "./apps/dgx-spark", **spec))
    Path("new.yaml").write_text(NEW.replace(", namespace: ci", ""))
    namespace = spec.get("targetNamespace", "default")
    assert raibid.change("apply", "-f", "new.yaml")["about"] == [f"ConfigMap/{namespace}/extra"]
    assert raibid.cluster.written[0].body["metadata"]["namespace"] == namespace


def test_what_admission_refuses_is_not_committed(raibid: Stage) -> None:
    def admit(manifest: object) -> None:
        raise KubeInvalidError("ValidatingAdmissionPolicy 'no-extras' denied request")

    raibid.cluster.admit = admit
    code, _, err = raibid("apply", "-f", "new.yaml", "--yes")
    assert code == ExitCode.FAILED
    assert "no-extras" in err
    assert raibid.commits == 1


def test_a_secret_in_clear_never_gets_into_git(raibid: Stage) -> None:
    Path("new.yaml").write_text(NEW.replace("ConfigMap", "Secret").replace("\ndata:", "\nstringData:"))
    code, _, err = raibid("apply", "-f", "new.yaml", "--yes")
    assert code == ExitCode.REFUSED, err
    assert raibid.commits == 1


def test_an_argo_cd_application_is_an_applier_as_well(raibid: Stage) -> None:
    url = raibid.host.clone_url(FLEET)
    raibid.cluster.put(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": "docs", "namespace": "argocd"},
            "spec": {
                "source": {"repoURL": url, "path": "docs", "targetRevision": "main"},
                "destination": {"server": "https://kubernetes.default.svc"},
            },
        }
    )
    report = raibid.change("apply", "-f", "new.yaml", "--path", "docs")
    assert report["changed"] is True
    assert "not synced automatically" in report["warnings"][0]
    assert raibid.cluster.written[0].manager == "argocd-controller"


def test_an_applier_of_another_cluster_or_of_a_tag_is_none(raibid: Stage) -> None:
    raibid.cluster.put(kustomization("remote", "./docs", kubeConfig={"secretRef": {"name": "other"}}))
    source = raibid.cluster.get(Ref("source.toolkit.fluxcd.io", "GitRepository", "flux-system", "fleet"))
    metadata = {"name": "tagged", "namespace": "flux-system"}
    raibid.cluster.put({**source, "metadata": metadata, "spec": {**source["spec"], "ref": {"tag": "v1"}}})
    raibid.cluster.put(kustomization("tagged", "./docs", sourceRef={"kind": "GitRepository", "name": "tagged"}))
    code, _, err = raibid("apply", "-f", "new.yaml", "--path", "docs", "--yes")
    assert code == ExitCode.REFUSED
    assert "applies docs of" in err


def test_without_a_configured_repository_somebody_has_to_say_one(raibid: Stage, tmp_path: Path) -> None:
    (tmp_path / "gitops.yaml").write_text("hosts: [127.0.0.1]\n")
    code, _, err = raibid("apply", "-f", "new.yaml", "--yes")
    assert code == ExitCode.REFUSED
    assert "--repository and --path" in err
    url = raibid.host.clone_url(FLEET)
    assert raibid.change("apply", "-f", "new.yaml", "--repository", url, "--path", "apps/dgx-spark")["changed"]


def follow_branch(raibid: Stage, branch: str) -> None:
    """The applier of the stage reads another branch."""
    source = raibid.cluster.get(Ref("source.toolkit.fluxcd.io", "GitRepository", "flux-system", "fleet"))
    raibid.cluster.put({**source, "spec": {**source["spec"], "ref": {"branch": branch}}})


def follow_head(raibid: Stage, path: str) -> None:
    """An Argo CD Application reads the default branch, whichever that is."""
    source = {"repoURL": raibid.host.clone_url(FLEET), "path": path, "targetRevision": "HEAD"}
    spec = {"source": source, "destination": {"server": "https://kubernetes.default.svc"}}
    metadata = {"name": "head", "namespace": "argocd"}
    about = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": metadata}
    raibid.cluster.put({**about, "spec": spec})


def test_the_branch_that_is_applied_is_committed_to_and_not_the_default_one(raibid: Stage, tmp_path: Path) -> None:
    raibid.host.commit(FLEET, FILES, branch="prod")
    follow_branch(raibid, "prod")
    (tmp_path / "gitops.yaml").write_text("hosts: [127.0.0.1]\n")
    where = ("--repository", raibid.host.clone_url(FLEET), "--path", "apps/dgx-spark")
    assert raibid.change("apply", "-f", "new.yaml", *where)["done"]["branch"] == "prod"
    assert raibid.commits == 1


@pytest.mark.parametrize(("branch", "code"), [("main", ExitCode.OK), ("prod", ExitCode.REFUSED)])
def test_an_applier_of_the_default_branch_applies_no_other(raibid: Stage, branch: str, code: int) -> None:
    raibid.host.commit(FLEET, FILES, branch="prod")
    follow_head(raibid, "docs")
    where = ("--path", "docs", "--branch", branch)
    ended, _, err = raibid("apply", "-f", "new.yaml", *where, "--yes", "--no-watch")
    assert ended == code, err
    assert raibid.commits == (2 if code == ExitCode.OK else 1)
    assert len(raibid.host.log(FLEET, "prod")) == 1


def test_with_no_provider_a_new_object_is_applied_directly(direct: Stage) -> None:
    report = direct.change("apply", "-f", "new.yaml")
    (written,) = direct.writes
    assert (written.manager, str(written.ref)) == ("raibid", "ConfigMap/ci/extra")
    assert "+kind: ConfigMap" in report["diff"]
    assert direct.commits == 1


def test_a_direct_change_of_what_is_in_git_is_refused_for_it_would_be_reverted(direct: Stage) -> None:
    Path("new.yaml").write_text(NEW.replace("extra", "web"))
    code, _, err = direct("apply", "-f", "new.yaml", "--yes")
    assert code == ExitCode.REFUSED
    assert "applied from Git by Kustomization/flux-system/apps, which would revert a direct change" in err
    assert "raibid gitops set configmap/web -n ci" in err
    assert direct.writes == []


def test_one_refused_manifest_stops_all_of_a_direct_apply(direct: Stage) -> None:
    Path("new.yaml").write_text(NEW + "---\n" + NEW.replace("extra", "web"))
    assert direct("apply", "-f", "new.yaml", "--yes")[0] == ExitCode.REFUSED
    assert direct.writes == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0 objects"),
        ("a: [", "new.yaml"),
        ("[1, 2]", "a document is no object"),
        ("kind: ConfigMap", "without apiVersion, metadata.name"),
        ("apiVersion: v1\nkind: Gizmo\nmetadata: {name: x}", "serves no Gizmo"),
        ("apiVersion: v1\nkind: List\nitems: [{kind: Pod}]", "without apiVersion"),
    ],
)
def test_a_file_that_is_none_is_a_sentence(raibid: Stage, text: str, said: str) -> None:
    Path("new.yaml").write_text(text)
    code, _, err = raibid("apply", "-f", "new.yaml", "--yes")
    assert code != ExitCode.OK
    assert said in err
    assert "Traceback" not in err


def test_a_file_that_is_not_there_is_a_sentence(raibid: Stage) -> None:
    code, _, err = raibid("apply", "-f", "nope.yaml", "--yes")
    assert (code, "No such file" in err) == (ExitCode.NOT_FOUND, True)


def test_a_repository_on_another_host_is_never_asked(raibid: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = raibid("apply", "-f", "new.yaml", "--repository", "https://evil.example.org/a/b.git", "--yes")
    assert code == ExitCode.REFUSED
    assert Env.GITOPS_FILE not in err


def test_the_report_is_one_document(raibid: Stage) -> None:
    code, out, _ = raibid("apply", "-f", "new.yaml", "--dry-run", "--json")
    assert (code, list(json.loads(out))) == (0, ["change"])
