"""Objects by directory in, bytes by path out."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.manifest_tree import (
    Emission,
    PathConflictError,
    SecretManifest,
    Tree,
    emit,
    file_names,
    kustomization,
    to_yaml,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=10
)


def thing(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **more}


def test_a_kind_alone_in_its_directory_names_its_file_by_kind_only() -> None:
    objects = [thing("Service", "a"), thing("ConfigMap", "a"), thing("ConfigMap", "b")]
    assert file_names(objects) == ["service.yaml", "configmap-a.yaml", "configmap-b.yaml"]


def test_a_secret_is_named_so_that_sops_finds_it() -> None:
    assert file_names([SecretManifest("ci", "token", lambda derive: {"t": derive("t")})]) == ["secret.enc.yaml"]


def test_a_flux_kustomization_never_takes_the_name_of_kustomizes_own_file() -> None:
    flux = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "apps"}}
    assert file_names([flux]) == ["flux-kustomization.yaml"]


def test_each_directory_lists_what_it_holds() -> None:
    files = emit([Tree("a", {"d": [thing("Service", "s"), SecretManifest("ns", "x", lambda _: {})]})]).files
    assert yaml.safe_load(files["d/kustomization.yaml"])["resources"] == ["secret.enc.yaml", "service.yaml"]


def test_a_directory_may_bring_its_own_kustomization() -> None:
    own = kustomization(["../base"], images=[{"name": "redis", "digest": "sha256:0"}])
    files = emit([Tree("a", {"d": [own]})]).files
    assert yaml.safe_load(files["d/kustomization.yaml"])["resources"] == ["../base"]


def test_two_systems_on_one_path_are_refused_with_both_names() -> None:
    with pytest.raises(PathConflictError, match=r"x/service\.yaml: claimed by redis and by api"):
        emit([Tree("redis", {"x": [thing("Service", "a")]}), Tree("api", {"x": [thing("Service", "b")]})])


def test_a_file_and_an_object_cannot_share_a_path() -> None:
    with pytest.raises(PathConflictError, match="claimed by a and by b"):
        emit([Tree("a", {"x": [thing("Service", "s")]}), Tree("b", files={"x/service.yaml": ""})])


def test_secrets_are_in_no_plain_file_and_not_in_the_digests() -> None:
    emission = emit([Tree("a", {"d": [SecretManifest("ns", "x", lambda derive: {"p": derive("p")})]})])
    assert list(emission.secrets) == ["d/secret.enc.yaml"]
    assert list(emission.digests()) == ["d/kustomization.yaml"]


def test_the_order_of_systems_does_not_change_a_byte() -> None:
    a, b = Tree("a", {"a": [thing("Service", "s")]}), Tree("b", files={"b.md": "x"}, seeds={"c.md": "y"})
    assert emit([a, b]) == emit([b, a])
    assert emit([a, b]).digest() == emit([b, a]).digest()


def test_the_digest_changes_with_a_byte_a_path_and_a_secrets_path() -> None:
    secret = SecretManifest("ns", "x", lambda _: {})
    variants = [
        Emission({"a": b"1"}, {}),
        Emission({"a": b"2"}, {}),
        Emission({"b": b"1"}, {}),
        Emission({"a": b"1"}, {"s": secret}),
    ]
    assert len({variant.digest() for variant in variants}) == len(variants)


@given(VALUES)
def test_what_is_written_reads_back_equal(value: object) -> None:
    assert yaml.safe_load(to_yaml(value)) == value


@given(st.dictionaries(st.text(min_size=1), SCALARS, max_size=5))
def test_the_same_value_gives_the_same_bytes(value: dict[str, object]) -> None:
    assert to_yaml(value) == to_yaml(dict(value))


def test_a_placeholder_for_a_number_is_not_quoted() -> None:
    assert to_yaml({"max": "${ci_agent_max}"}) == b"---\nmax: ${ci_agent_max}\n"


def test_equal_values_are_written_out_twice_not_as_an_anchor() -> None:
    shared = {"a": "b"}
    assert b"&" not in to_yaml([shared, shared])
