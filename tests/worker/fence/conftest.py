"""An agent with secrets, a room, and a way to run scripts behind its fence: real processes, real Landlock."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from raibid.contract import Env
from raibid.worker import steps
from raibid.worker.config import AgentConfig
from raibid.worker.environment import agent_variables
from raibid.worker.fence import Fence, fence, launcher_env
from raibid.worker.fork import fork_variables
from raibid.worker.steps import Ended
from raibid.worker.stop import Stop
from raibid.worker.workspace import Workspace, workspace

_DENIED = ("permission denied", "not permitted", "invalid cross-device link")  # the last: of a link into the room
PASSWORD = "ledger-password-sentinel"
PUBLIC = "index.crates.io-1949cf8c6b5b557f"
"""cargo's name for the folder of the registry that everybody has."""


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """What a pod mounts, and the home of the agent's user."""
    own = "cargo/registry/src/own.test-0123456789abcdef/lib.rs"
    for name in ("secrets/TOKEN", "git/credentials", "redis/password", "home/.ssh/id", "cargo/credentials.toml", own):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("secret-sentinel")
    return tmp_path


@pytest.fixture
def config(config: AgentConfig, secrets: Path) -> AgentConfig:
    agent = {
        "PATH": os.environ["PATH"],
        "HOME": str(secrets / "home"),
        "CARGO_HOME": str(secrets / "cargo"),
        Env.REDIS_PASSWORD_FILE: str(secrets / "redis/password"),
        Env.REDIS_PASSWORD: PASSWORD,
    }
    return replace(
        config,
        doors=(),
        secrets_dir=secrets / "secrets",
        git_credentials_file=secrets / "git",
        environment=agent,
    )


@pytest.fixture
def room(config: AgentConfig) -> Iterator[Workspace]:
    with workspace(config.workspace, "job") as room:
        yield room


@pytest.fixture
def env(config: AgentConfig, room: Workspace) -> dict[str, str]:
    told = fork_variables(room.home / ".cargo", room.tmp)
    return {**told, **agent_variables(config.environment, home=room.home, tmp=room.tmp)}


@pytest.fixture
def around(config: AgentConfig, room: Workspace, env: dict[str, str]) -> Fence:
    return fence(config, room, env)


class Inside:
    """Runs scripts behind the fence, as a step is run."""

    def __init__(self, around: Fence, room: Workspace, env: dict[str, str], config: AgentConfig) -> None:
        self.around, self.room, self.env, self.config = around, room, env, config
        self.output = ""

    def ends(self, script: str, timeout: float = 60.0, stop: Stop | None = None, prelude: str = "") -> Ended:
        said = bytearray()
        command = steps.Command(
            argv=[
                *steps.shell(f'{prelude}exec "$@"'),
                "fence",
                *self.around.behind(steps.shell(textwrap.dedent(script)), self.env),
            ],
            cwd=self.room.checkout,
            env=launcher_env(self.config),
            timeout=timeout,
            grace=0.3,
        )
        with Stop() as never:
            ended = steps.run(command, said.extend, stop or never)
        self.output = said.decode()
        if not ended.cause:
            self.around.check("the step")
        return ended

    def says(self, script: str) -> str:
        """What a script that succeeds says."""
        ended = self.ends(script)
        assert ended.exit_code == 0, self.output
        return self.output.strip()

    def denied(self, script: str) -> bool:
        """Whether a script fails, and for want of a right."""
        ended = self.ends(script)
        return ended.exit_code != 0 and any(word in self.output.lower() for word in _DENIED)


@pytest.fixture
def inside(around: Fence, room: Workspace, env: dict[str, str], config: AgentConfig) -> Inside:
    return Inside(around, room, env, config)
