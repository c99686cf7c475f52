"""Reading ScaledJob manifests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.scaler.errors import ScaledJobError
from raibid.scaler.scaled_job import parse_scaled_jobs, read_scaled_jobs

MINIMAL = "apiVersion: keda.sh/v1alpha1\nkind: ScaledJob\n"


def test_only_the_scaled_jobs_of_a_file_are_read() -> None:
    text = f"kind: Service\n---\n{MINIMAL}metadata: {{name: a}}\n---\n---\n{MINIMAL}metadata: {{name: b}}\n"
    assert [j.metadata.name for j in parse_scaled_jobs(text)] == ["a", "b"]


def test_what_a_manifest_leaves_out_is_what_keda_assumes() -> None:
    (job,) = parse_scaled_jobs(MINIMAL)
    assert (job.poll, job.scaling((2, 21, 0)).target, job.scaling((2, 21, 0)).ceiling) == (30, 5, 100)


def test_a_field_without_a_value_is_an_absent_field() -> None:
    (job,) = parse_scaled_jobs(MINIMAL + "spec: {triggers: , rollout: , maxReplicaCount: }\n")
    assert job.spec.triggers == ()
    assert job.spec.max_replica_count is None


def test_unknown_fields_are_passed_over() -> None:
    (job,) = parse_scaled_jobs(MINIMAL + "spec: {newInKeda3: {a: [1]}, pollingInterval: 7}\nstatus: {}\n")
    assert job.poll == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"no ScaledJob in it \(found: nothing\)"),
        ("kind: Service", r"no ScaledJob in it \(found: Service\)"),
        ("a: [", "not YAML"),
        ("- a", "document 1: a list, not a Kubernetes object"),
        (MINIMAL + 'spec: {maxReplicaCount: "10"}', r"document 1: Expected `int \| null`, got `str`.*maxReplicaCount"),
        (MINIMAL + "spec: {triggers: {}}", r"document 1: Expected `array`.*triggers"),
        (MINIMAL + "a: &a [*a]", "nested more than 50 levels"),
        ("x" * (1 << 20 | 1), "no manifest"),
    ],
    ids=["empty", "other-kind", "not-yaml", "list", "text-for-number", "map-for-list", "endless", "huge"],
)
def test_what_cannot_be_read_is_named(text: str, said: str) -> None:
    with pytest.raises(ScaledJobError, match=said):
        parse_scaled_jobs(text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScaledJobError, match=r"absent\.yaml"):
        read_scaled_jobs(tmp_path / "absent.yaml")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_scaled_jobs(text)
    except ScaledJobError:
        return


def test_binary_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00kind")
    with pytest.raises(ScaledJobError):
        read_scaled_jobs(path)
