"""What the node's harness does to a machine, without a node: control groups, leftovers, which machines it takes."""

from __future__ import annotations

import fcntl
import json
import os
import platform
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.node import agent_image, leftovers, machine, node
from tests.cluster.node.image_archive import cache
from tests.cluster.tools.toolchain import ToolMissingError


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hierarchy of version 2, of files."""
    root = tmp_path / "cgroup"
    root.mkdir()
    for name in ("cgroup.subtree_control", "cgroup.procs"):
        (root / name).touch()
    monkeypatch.setattr(machine, "CGROUPS", root)
    return root


@pytest.mark.parametrize(
    ("offered", "delegated"),
    [
        ("cpuset cpu io memory hugetlb pids rdma misc", "+cpu +cpuset +hugetlb +memory +pids"),
        ("cpuset cpu io memory pids", "+cpu +cpuset +memory +pids"),
    ],
)
def test_a_kubelet_gets_every_controller_that_it_wants_and_the_machine_has(
    cgroups: Path, offered: str, delegated: str
) -> None:
    (cgroups / "cgroup.controllers").write_text(offered)
    machine.make_cgroup("rbd0")
    assert (cgroups / "cgroup.subtree_control").read_text() == delegated


def test_what_a_dead_session_left_is_removed_by_one_session_at_a_time(
    cgroups: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sessions = cache("sessions")
    for name in ("rbd1", "rbd2"):
        (sessions / f"{name}.json").write_text(
            json.dumps({"pid": 0, "started": "1", "directory": str(tmp_path / name)})
        )
    removed: list[str] = []

    def while_locked(record: Path, owner: dict[str, Any]) -> None:
        with (sessions / "lock").open("w") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        removed.append(record.stem)

    monkeypatch.setattr(leftovers, "_remove", while_locked)
    leftovers.sweep()
    assert sorted(removed) == ["rbd1", "rbd2"]


@pytest.mark.parametrize(("layers", "pruned"), [(3, False), (500, True)])
def test_mounts_of_killed_builds_go_before_the_next_and_layers_when_they_are_many(
    monkeypatch: pytest.MonkeyPatch, layers: int, pruned: bool
) -> None:
    calls: list[tuple[str, ...]] = []

    def buildah(*arguments: str) -> str:
        calls.append(arguments)
        return "0123456789ab\n" * layers if arguments[0] == "images" else ""

    monkeypatch.setattr(agent_image, "buildah", buildah)
    agent_image.tidy()
    assert calls[0] == ("rm", "--all")
    assert (("rmi", "--prune") in calls) is pruned


def test_a_missing_package_is_an_error_and_no_reason_to_skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    before = node.why_not()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(machine, "system_program", _not_installed)
    assert node.why_not() == before == ""
    with pytest.raises(ToolMissingError, match="apt-get install util-linux"):
        machine.Machine(tmp_path / "machine", "rbd0")


def _not_installed(name: str, package: str) -> Path:
    raise ToolMissingError(f"{name} is not on PATH: apt-get install {package}")
