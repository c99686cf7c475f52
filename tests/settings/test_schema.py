"""Pulumi.yaml and `Settings` are two views of one thing."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components import cluster, commit_status, gitea, gitea_bootstrap
from components.k3s import TOKEN_LABEL
from components.settings import PROJECT, SECRET_KEYS, Settings, StackSecrets, load_stack, parse
from components.settings.problems import keys_of
from components.settings.rules import FIXED, LABELS
from components.systems import emission

ROOT = Path(__file__).parent.parent.parent
PULUMI = YAML(typ="safe").load(ROOT / "Pulumi.yaml")
SCHEMA: dict[str, dict[str, object]] = PULUMI["config"]
PLAIN = {str(field.alias): field for field in Settings.model_fields.values()}


def test_both_are_of_one_project() -> None:
    assert PULUMI["name"] == PROJECT


def test_both_know_the_same_keys() -> None:
    assert set(SCHEMA) == set(PLAIN) | set(SECRET_KEYS)


def test_the_secret_keys_are_the_fields_of_stack_secrets() -> None:
    assert set(SECRET_KEYS.values()) == set(StackSecrets.__dataclass_fields__)


@pytest.mark.parametrize("key", SCHEMA)
def test_every_key_is_described(key: str) -> None:
    assert len(str(SCHEMA[key]["description"])) > 20


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_a_secret_is_optional_and_marked(key: str) -> None:
    # A type would make Pulumi refuse the empty default: "must be encrypted as it's secret".
    assert {name: SCHEMA[key].get(name) for name in ("secret", "default", "type")} == {
        "secret": True,
        "default": "",
        "type": None,
    }


@pytest.mark.parametrize("key", PLAIN)
def test_a_value_has_the_type_that_the_engine_hands_over(key: str) -> None:
    expected = "array" if key == "nodes" else "object" if key in Settings.sections() else "string"
    assert SCHEMA[key]["type"] == expected
    assert not SCHEMA[key].get("secret")


def test_required_keys_are_required_in_both() -> None:
    required = {key for key, field in PLAIN.items() if field.is_required()} - {"environment"}
    assert {key for key in PLAIN if "default" not in SCHEMA[key]} == required


def test_pulumis_defaults_are_those_of_settings() -> None:
    node = {"name": "one", "cpu": 20, "memory": "128Gi", "disk": "1000Gi"}
    image = {"repository": "registry.example/a"}
    least = {"cluster": {"kind": "existing"}, "nodes": [node], "images": {"agent": image, "api": image}}
    defaults = {key: entry["default"] for key, entry in SCHEMA.items() if key in PLAIN and "default" in entry}
    assert parse({**least, **defaults}, "x") == parse(least, "x")


def test_every_subkey_is_named_in_the_description() -> None:
    for key in ("cluster", "nodes", "reserved", "fleet", "images", "gitea", "apps", "systems", "recipients"):
        missing = [name for name in keys_of([key]) if name not in str(SCHEMA[key]["description"])]
        assert not missing, f"{key}: {missing}"


def test_what_can_be_rotated_is_what_is_derived_but_for_what_data_is_encrypted_with() -> None:
    """A label that nothing is derived from would be accepted and change nothing."""
    by_pulumi = {*gitea.LABELS, *gitea_bootstrap.LABELS, *commit_status.LABELS, cluster.GIT_LABEL, TOKEN_LABEL}
    asked: set[str] = set()

    def derive(label: str) -> str:
        asked.add(label)
        return "x" * 32

    for secret in emission(load_stack("dgx-spark")).secrets.values():
        secret.manifest(derive)
    assert asked
    assert set(FIXED).isdisjoint(LABELS)
    assert asked | by_pulumi == {*LABELS, *FIXED}
