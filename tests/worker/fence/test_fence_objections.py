"""Agents that cannot keep a stranger out say why."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from raibid.worker import landlock
from raibid.worker.config import AgentConfig
from raibid.worker.fence import OLDEST_ABI, Fence, fence, gaps, objections
from raibid.worker.workspace import Workspace


@pytest.mark.parametrize(("abi", "has"), [(0, "no Landlock"), (1, "Landlock ABI 1"), (2, "Landlock ABI 2")])
def test_an_old_kernel_is_an_objection(abi: int, has: str, around: Fence, config: AgentConfig) -> None:
    assert objections(around, config, abi) == (f"this kernel has {has}, and steps of a fork need ABI 3 (Linux 6.2)",)


def test_another_system_has_no_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert landlock.version() == 0


def test_an_agent_whose_secrets_lie_apart_has_none(around: Fence, config: AgentConfig) -> None:
    assert objections(around, config, OLDEST_ABI) == ()


@pytest.mark.parametrize("name", ["secrets", "git", "redis", "work"])
def test_a_secret_below_what_a_step_may_read_is_an_objection(
    name: str, room: Workspace, env: dict[str, str], config: AgentConfig, secrets: Path
) -> None:
    (secrets / "link").symlink_to(secrets / name)
    around = fence(config, room, {**env, "PATH": f"{env['PATH']}:{secrets}/link"})
    (objection,) = objections(around, config, 7)
    assert f"lies below {secrets}/link, which its steps may read" in objection


def test_a_secret_below_what_a_step_may_only_read_is_an_objection(
    room: Workspace, env: dict[str, str], config: AgentConfig, secrets: Path
) -> None:
    around = fence(config, room, {**env, "SSL_CERT_DIR": str(secrets / "redis")})
    (objection,) = objections(around, config, 7)
    assert objection.startswith("RAIBID_REDIS_PASSWORD_FILE (")
    assert objection.endswith(f"lies below {secrets}/redis, which its steps may read")


def test_a_machine_whose_system_calls_are_not_known_is_an_objection(
    around: Fence, config: AgentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landlock, "MACHINES", {})
    (objection,) = objections(around, config, 7)
    assert objection.endswith("system calls are not known here")


def test_a_socket_behind_which_programs_are_started_is_an_objection(
    around: Fence, config: AgentConfig, tmp_path: Path
) -> None:
    door = tmp_path / "docker.sock"
    ssh = replace(config, environment={**config.environment, "SSH_AUTH_SOCK": str(door)})
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(door))
        for agent in (replace(config, doors=(door, tmp_path / "none.sock")), ssh):
            (objection,) = objections(around, agent, 7)
            assert objection == f"the agent's user may write to {door}, and Landlock does not close sockets"


def test_a_ledger_without_a_password_is_an_objection(around: Fence, config: AgentConfig) -> None:
    bare = {key: value for key, value in config.environment.items() if "PASSWORD" not in key}
    (objection,) = objections(around, replace(config, environment=bare), 7)
    assert "the ledger has no password" in objection


def test_the_log_says_what_an_older_kernel_leaves_open() -> None:
    assert gaps(3) == "Landlock ABI 3 does not restrict TCP ports (ABI 4), signals and abstract sockets (ABI 6)"
    assert gaps(5) == "Landlock ABI 5 does not restrict signals and abstract sockets (ABI 6)"
    assert gaps(7) == ""
