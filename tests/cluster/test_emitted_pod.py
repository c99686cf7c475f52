"""A pod as a process: what the container would see, it sees; and nothing of this machine in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cluster.pools.emitted_pod import Objects, Process, addressed, as_process

SECRET = {"kind": "Secret", "metadata": {"name": "token", "namespace": "ci"}, "stringData": {"value": "sentinel"}}
POD: dict[str, Any] = {
    "volumes": [
        {"name": "store", "persistentVolumeClaim": {"claimName": "archive"}},
        {"name": "token", "secret": {"secretName": "token", "items": [{"key": "value", "path": "renamed"}]}},
        {"name": "others", "secret": {"secretName": "absent", "optional": True}},
        {"name": "scratch", "emptyDir": {}},
    ],
    "containers": [
        {
            "args": ["serve", "--file", "/run/token/renamed"],
            "env": [
                {"name": "STORE", "value": "file:///var/lib/pool"},
                {"name": "OTHERS", "value": "/run/others"},
                {"name": "SYSTEM", "value": "/var/lib"},
                {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
            "volumeMounts": [
                {"name": "store", "mountPath": "/var/lib/pool/artifacts", "subPath": "artifacts"},
                {"name": "token", "mountPath": "/run/token"},
                {"name": "others", "mountPath": "/run/others"},
                {"name": "scratch", "mountPath": "/tmp"},
            ],
        }
    ],
}


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return as_process(POD, Objects.of([SECRET], "ci"), tmp_path / "pod", tmp_path / "claims", name="pod-1")


def test_arguments_name_the_files_of_mounted_secrets(process: Process) -> None:
    assert Path(process.arguments[-1]).read_text() == "sentinel"


def test_two_pods_see_one_claim(process: Process, tmp_path: Path) -> None:
    store = Path(process.environment["STORE"].removeprefix("file://"))
    (store / "artifacts" / "made").touch()
    assert (tmp_path / "claims" / "archive" / "artifacts" / "made").exists()


def test_what_is_optional_and_absent_is_an_empty_directory(process: Process) -> None:
    assert list(Path(process.environment["OTHERS"]).iterdir()) == []


def test_a_directory_above_a_mount_that_is_the_machines_own_stays_as_it_is(process: Process) -> None:
    assert process.environment["SYSTEM"] == "/var/lib"


def test_the_downward_api_tells_the_pods_name(process: Process) -> None:
    assert process.environment["NAME"] == "pod-1"


def test_names_become_addresses_everywhere_but_in_images() -> None:
    manifest = {"image": "forge.test:3000/agent:1", "env": [{"value": "http://forge.test:3000/a.git"}]}
    assert addressed(manifest, {"forge.test:3000": "10.1.2.3:41000"}) == {
        "image": "forge.test:3000/agent:1",
        "env": [{"value": "http://10.1.2.3:41000/a.git"}],
    }
