"""Settings under the engine: objects arrive as JSON, secrets stay Outputs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pulumi
import pytest
from pulumi.runtime import set_all_config

from components.settings import SettingsError, StackSecrets, from_pulumi, load_stack

CONFIG = {
    "raibid-ci:environment": "",
    "raibid-ci:cluster": json.dumps({"kind": "existing"}),
    "raibid-ci:nodes": json.dumps([{"name": "one", "cpu": 16.5, "memory": "64Gi", "disk": "500Gi"}]),
    "raibid-ci:images": json.dumps({"agent": {"repository": "r.example/a"}, "api": {"repository": "r.example/b"}}),
    "raibid-ci:recipients": "{}",
    "raibid-ci:profile": "conservative",
    "raibid-ci:seed": "hunter2",
    "raibid-ci:ageKey": "",
    "kubernetes:context": "somewhere",
}


@pytest.fixture(autouse=True)
def loop(event_loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.AbstractEventLoop]:
    """The stack whose config is read."""
    pulumi.runtime.configure(pulumi.runtime.Settings(project="raibid-ci", stack="mocked"))
    yield event_loop
    set_all_config({}, [])


def test_values_are_those_of_the_files_reader() -> None:
    set_all_config(CONFIG, ["raibid-ci:seed"])
    settings, _ = from_pulumi()
    assert (settings.environment, settings.nodes[0].cpu, settings.profile) == ("mocked", 16500, "conservative")
    assert settings.gitea == load_stack("dgx-spark").gitea


def test_a_secret_is_an_output_that_is_marked_so(loop: asyncio.AbstractEventLoop) -> None:
    async def read() -> tuple[StackSecrets, str | None, bool]:
        _, secrets = from_pulumi()
        assert secrets.seed is not None
        return secrets, await secrets.seed.future(), await secrets.seed.is_secret()

    set_all_config(CONFIG, ["raibid-ci:seed"])
    secrets, value, is_secret = loop.run_until_complete(read())
    assert (value, is_secret) == ("hunter2", True)
    assert "hunter2" not in repr(secrets)
    assert secrets.age_key is None, "set, but empty: Pulumi.yaml's default"
    assert secrets.kubeconfig is None


@pytest.mark.parametrize(
    ("changed", "closed", "message"),
    [
        ({}, [], "seed: (not shown): a secret in clear"),
        ({}, ["seed", "domain"], ""),
        ({"raibid-ci:domain": "a.b"}, ["seed", "domain"], "domain: (not shown): is encrypted, but is no secret"),
        ({"raibid-ci:profil": "balanced"}, ["seed"], "profil: (not shown): unknown key: did you mean profile?"),
        ({"raibid:profile": "balanced"}, ["seed"], "raibid:profile: (not shown): unknown namespace"),
        ({"raibid-ci:nodes": "[1"}, ["seed"], "nodes: (not shown): is no JSON"),
    ],
    ids=["in-clear", "right", "encrypted-by-mistake", "unknown-key", "unknown-namespace", "not-json"],
)
def test_the_rules_of_the_files_hold_under_the_engine(changed: dict[str, str], closed: list[str], message: str) -> None:
    set_all_config({**CONFIG, **changed}, [f"raibid-ci:{key}" for key in closed])
    if not message:
        assert from_pulumi()
        return
    with pytest.raises(SettingsError) as caught:
        from_pulumi()
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)
