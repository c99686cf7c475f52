"""`python -m components lint`: what people and machines read, and the exit codes they act on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.__main__ import run

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def cluster(directory: Path, **files: str) -> Path:
    """A repository of one environment with one stage, `infra`, over `infrastructure/`."""
    root = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [{}]\n"
    stage = (HERE / "good" / "kustomization.yaml").read_text()
    variables = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cluster-vars, namespace: flux-system}\n"
        'data: {admission_images: "docker[.]io/library/", ci_agent_max: "3", tag: 8.2.3}\n'
    )
    tree = {
        "clusters/dev/kustomization.yaml": root.format("stage.yaml, cluster-vars.yaml"),
        "clusters/dev/stage.yaml": stage + "  postBuild: {substituteFrom: [{kind: ConfigMap, name: cluster-vars}]}\n",
        "clusters/dev/cluster-vars.yaml": variables,
        "infra/kustomization.yaml": root.format(", ".join(f"{name}.yaml" for name in files)),
        **{f"infra/{name}.yaml": text for name, text in files.items()},
    }
    for path, text in tree.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    return directory


def violation(name: str) -> str:
    return (HERE / "violations" / f"{name}.yaml").read_text()


def test_a_violation_is_one_line_with_path_object_rule_message_and_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lint", str(cluster(tmp_path, app=violation("host-apart")))]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "infra/app.yaml: Deployment ci/app: host-apart: volume cache: hostPath /var/cache/builds (pods in ci share "
        "nothing of the host: no hostPath, no host network, processes or IPC): use emptyDir or a PersistentVolumeClaim",
        "violations: 1 (5 files, 1 environments)",
    ]


def test_json_is_all_that_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", str(cluster(tmp_path, app=violation("non-root"))), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["environments"] == ["dev"]
    assert [(finding["path"], finding["rule"]) for finding in answer["findings"]] == [("infra/app.yaml", "non-root")]


def test_variables_are_replaced_before_the_rules_look(tmp_path: Path) -> None:
    good = (HERE / "good" / "deployment.yaml").read_text().replace("8.2.3", "${tag}")
    assert run(["lint", str(cluster(tmp_path, app=good))]) == 0


def test_the_bounds_come_from_the_cluster_itself(tmp_path: Path) -> None:
    assert run(["lint", str(cluster(tmp_path, app=violation("scaled-job-budget")))]) == 1
    assert run(["lint", str(tmp_path), "--most-agents", "10", "--images", "gitea[.]example/"]) == 0


def test_a_folder_of_manifests_is_linted_too(tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text(violation("image-exact"))
    assert run(["lint", str(tmp_path)]) == 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda d: d / "nowhere", "is not a directory"),
        (lambda d: d, "no YAML file in it"),
    ],
    ids=["missing", "empty"],
)
def test_nothing_to_check_is_wrong_use(
    make: object, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lint", str(make(tmp_path))]) == 2  # type: ignore[operator]
    assert said in capsys.readouterr().err


def test_a_tree_that_flux_could_not_build_is_an_error_that_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = (HERE / "good" / "deployment.yaml").read_text().replace("8.2.3", "${typo}")
    assert run(["lint", str(cluster(tmp_path, app=good))]) == 1
    assert "infra/app.yaml (applied by infra): Deployment app: ${typo} is not defined" in capsys.readouterr().err


def test_help_shows_examples() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "components", "lint", "--help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert "python -m components lint build/fleet" in said
    assert "--json" in said


def test_no_colour_where_none_is_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["lint", str(cluster(tmp_path, app=violation("non-root")))])
    assert "\x1b[" not in capsys.readouterr().out
