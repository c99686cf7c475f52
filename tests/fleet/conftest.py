"""A bare repository per test, requests for it, and age keys made for the session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from components import sops
from components.fleet.request import PushRequest
from tests.fleet.repository import Repository

SENTINEL = "sentinel-5f1c0e9b7a"

Ask = Callable[..., PushRequest]


@pytest.fixture(autouse=True)
def _own_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scratch directories of a push lie where the test can see that they are gone."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "fleet.git")


@pytest.fixture(scope="session")
def cluster_key() -> str:
    return str(x25519.Identity.generate())


@pytest.fixture(scope="session")
def recovery_key() -> str:
    return str(x25519.Identity.generate())


@pytest.fixture(scope="session")
def recipients(cluster_key: str, recovery_key: str) -> tuple[str, ...]:
    return (*sops.public_keys(cluster_key), *sops.public_keys(recovery_key))


@pytest.fixture
def stranger_key() -> str:
    return str(x25519.Identity.generate())


def secret(value: str = SENTINEL) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "redis-acl", "namespace": "infrastructure"},
        "stringData": {"password": value},
    }


SECRET_PATH = "infrastructure/data/redis/secret.enc.yaml"


@pytest.fixture
def ask(repository: Repository) -> Ask:
    """A request of plain files; any field may be given."""

    def make(**fields: Any) -> PushRequest:
        given = {
            "url": str(repository.directory),
            "environment": "local",
            "stack": "local",
            "digest": "d" * 64,
            "version": "0.1.0",
            "files": {"infrastructure/a.yaml": b"a: 1\n", "README.md": b"# fleet\n"},
        }
        return PushRequest(**{**given, **fields})

    return make


@pytest.fixture
def ask_secret(ask: Ask, recipients: tuple[str, ...], cluster_key: str) -> Ask:
    """A request with one Secret."""

    def make(value: str = SENTINEL, **fields: Any) -> PushRequest:
        given = {"secrets": {SECRET_PATH: secret(value)}, "recipients": recipients, "identity": cluster_key}
        return ask(**{**given, **fields})

    return make
