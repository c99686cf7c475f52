"""Test keys (they protect nothing) and a Secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from components import sops
from components.manifest_tree import Manifest

FIXTURES = Path(__file__).parent / "fixtures"


def key(name: str) -> str:
    return (FIXTURES / "keys" / f"{name}.txt").read_text()


@pytest.fixture(scope="session")
def cluster_key() -> str:
    return key("cluster")


@pytest.fixture(scope="session")
def recovery_key() -> str:
    return key("recovery")


@pytest.fixture(scope="session")
def stranger_key() -> str:
    return key("stranger")


@pytest.fixture(scope="session")
def recipients(cluster_key: str, recovery_key: str) -> tuple[str, ...]:
    return (*sops.public_keys(cluster_key), *sops.public_keys(recovery_key))


@pytest.fixture
def secret() -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "redis-acl", "namespace": "infrastructure", "labels": {"data": "of that name too"}},
        "stringData": {
            "users.acl": "user default off\nuser agent on #a\n",
            "empty": "",
            "umlaut": "größer als ☃",
            "yaml": "yes",
            "number": 5,
            "fraction": 1.5,
            "whole": 2.0,
            "truth": True,
            "nothing": None,
            "list": ["a", {"b": "c"}],
        },
        "data": {"key": "Zm9yZWlnbg=="},
    }
