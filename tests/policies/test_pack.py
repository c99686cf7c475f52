"""The rules as Pulumi policies, run as the engine would run them, but without one."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi_policy import PolicyCustomTimeouts, PolicyResourceOptions, ResourceValidationArgs

from policies.doctor import EVERY_RULE
from policies.pack import POLICIES

ROOT = Path(__file__).parent.parent.parent
VIOLATIONS = Path(__file__).parent / "violations"
CONFIG = {"images": "docker[.]io/library/|gitea[.]example/", "mostAgents": 3.0}
LIVE = [rule.id for rule in EVERY_RULE if rule.live]


def reported(
    kind: str, props: Mapping[str, Any], config: Mapping[str, Any] = CONFIG, *, protect: bool = False
) -> set[str]:
    """Names of the policies that a resource violates."""
    options = PolicyResourceOptions(
        protect, [], None, [], PolicyCustomTimeouts(0, 0, 0), additional_secret_outputs=[], parent=None
    )
    found: set[str] = set()
    for policy in POLICIES:
        args = ResourceValidationArgs(kind, props, "urn:x", "x", options, None, config)
        messages: list[str] = []
        policy.validate(args, lambda message, urn, messages=messages: messages.append(message))  # type: ignore[misc]
        found |= {policy.name} if messages else set()
    return found


def resource(path: Path) -> tuple[str, Mapping[str, Any]]:
    """The first object of a fixture as Pulumi names its type."""
    manifest = next(yaml.safe_load_all(path.read_text()))
    version = manifest["apiVersion"]
    return f"kubernetes:{version if '/' in version else 'core/' + version}:{manifest['kind']}", manifest


@pytest.mark.parametrize("name", LIVE)
def test_a_counter_example_is_refused_as_a_resource(name: str) -> None:
    assert reported(*resource(VIOLATIONS / f"{name}.yaml"), protect=True) == {name}


def test_stored_data_without_protection_is_refused() -> None:
    kind, props = resource(VIOLATIONS / "data-kept.yaml")
    assert reported(kind, props, protect=False) == {"data-protected"}
    assert reported(kind, props, protect=True) == set()


def test_a_live_secret_is_pulumis_business() -> None:
    assert reported(*resource(VIOLATIONS / "secret-encrypted.yaml")) == set()


def test_the_type_says_what_the_properties_leave_out() -> None:
    spec = {"containers": [{"name": "a", "image": "docker.io/library/redis"}]}
    assert "image-exact" in reported("kubernetes:core/v1:Pod", {"metadata": {"name": "p"}, "spec": spec})


def test_resources_of_other_providers_are_let_through() -> None:
    assert reported("command:local:Command", {"create": "true"}) == set()


def test_bounds_that_are_not_configured_are_not_judged() -> None:
    assert reported(*resource(VIOLATIONS / "scaled-job-budget.yaml"), config={}) == set()


def test_only_the_program_itself_constructs_the_pack() -> None:
    """The constructor serves for ever: a module that imports the pack must come back."""
    assert runpy.run_path(str(ROOT / "policies" / "__main__.py"), run_name="not main")["POLICIES"] == POLICIES


def test_the_pack_starts_from_its_own_folder(tmp_path: Path) -> None:
    """The engine runs the folder as a program and reads the port that it serves on from the first line."""
    process = subprocess.Popen([sys.executable, "-u", ROOT / "policies"], cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        assert process.stdout.readline().strip().isdigit()
    finally:
        process.kill()
        process.communicate()
