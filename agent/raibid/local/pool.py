"""The pool's processes: Redis, the API, the local scaler, in that order up and in the reverse order down.

Owns: their commands, environments and readiness; that nothing is left when the pool ends; noticing a dead part.
Leaves to others: the state directory (`state.py`), repositories (`repository.py`), talking to the person.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import requests

from raibid.contract import POLL_SECONDS, AclUser, Env
from raibid.contract.redis_acl import acl_file
from raibid.ledger import Ledger, LedgerError
from raibid.local.errors import PartError
from raibid.local.install import toolchain
from raibid.local.leftovers import Traces
from raibid.local.processes import Part, last_line, last_lines
from raibid.local.redis_server import RedisServer
from raibid.local.state import StateDir, write_private

_START_BUDGET: Final = 60.0  # seconds; imports on a cold, slow disk took 9 of them
_PING_SECONDS: Final = 5
"""A quiet log says so this often: that is when `raibid up` tells what the job waits for."""
_API_GRACE: Final = 15.0
_SCALER_GRACE: Final = 75.0
"""More than the scaler gives its agents (60 s), so that a build can be handed back and not be killed."""
_FOR_AGENTS: Final = (
    Env.SECRETS_DIR,
    Env.GIT_CREDENTIALS_FILE,
    Env.MEMORY_LIMIT,
    Env.FORK_PASS_ENV,
    Env.FORK_READ,
    Env.FORK_REGISTRIES,
    Env.FORKS_WITHOUT_LANDLOCK,
)
"""What this process's environment says to the agents; the rest of RAIBID_* may be another pool's."""


@dataclass(frozen=True, kw_only=True)
class PoolOptions:
    """How the pool runs."""

    max_agents: int
    warm: int = 0  #: agents kept waiting for jobs
    poll: float = POLL_SECONDS
    port: int = 0  #: of the API; 0: any free one
    secrets: Path | None = None  #: a file per secret that pipelines may name; None: as the environment says
    memory: str = ""  #: ceiling of a step, such as 4G; "": as the environment says


class Pool:
    """Redis, API and scaler. Nothing of it runs any more when its context is left, however far `start` came.

    What `held` covers is not interrupted: between a process's start and its entry in the list of those to end.
    """

    def __init__(
        self,
        state: StateDir,
        options: PoolOptions,
        say: Callable[[str], None],
        held: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._state = state
        self._options = options
        self._say = say
        self._held = held
        self._endings = ExitStack()
        self._redis = RedisServer(state.redis, acl_file=state.acl_file)
        self._port = options.port
        self._traces = Traces(state.path / "processes.json")
        self._api: Part | None = None
        self._scaler: Part | None = None

    @property
    def url(self) -> str:
        """The API; its port is known once it runs."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Agents (by the scaler, which lets them release their jobs), scaler, API, Redis: who is needed ends last."""
        if self._redis.started:
            self._say("ending: agents, scaler, API, Redis")
        self._endings.close()  # each of them, even if another one fails

    @property
    def scaler_says(self) -> str:
        """The scaler's last line: why no agent comes, if none does."""
        return last_line(self._scaler.log) if self._scaler else ""

    def check(self) -> None:
        """Return while all parts run.

        Raises:
            PartError: one died; says which, and how its log ends.
        """
        if self._redis.started and self._redis.pid is None:
            raise PartError(f"Redis died\n{last_lines(self._redis.log)}")
        for part in filter(None, (self._api, self._scaler)):
            if not part.alive:
                raise PartError(part.obituary())

    def start(self) -> None:
        """Return when all parts answer.

        Raises:
            PartError: one did not start. LocalError: something it needs is missing.
        """
        if left := self._traces.end():
            self._say(f"ended what the last pool left running: {', '.join(left)}")
        self._endings.callback(self._traces.clear)
        write_private(self._state.acl_file, acl_file(self._state.passwords()))
        with self._held():
            self._endings.callback(self._redis.stop)
            self._redis.start()
            self._traces.add("Redis", self._redis.pid or 0)
        self._set_window()
        self._say(f"Redis answers at 127.0.0.1:{self._redis.port} (appendfsync always)")
        self._start_api()
        self._say(f"API answers at {self.url}")
        self._start_scaler()
        self._say(
            f"scaler runs: --max {self._options.max_agents} --warm {self._options.warm}, poll {self._options.poll:g} s"
        )

    def _set_window(self) -> None:
        """As many jobs in the stream as agents may run, so that priorities decide about all the others."""
        password = self._state.passwords()[AclUser.API]
        ledger = Ledger.connect(self._redis.url, username=AclUser.API, password=password)
        try:
            ledger.setup()
            ledger.set_window(self._options.max_agents)
        except LedgerError as error:
            raise PartError(f"the ledger could not be set up: {error}\n{last_lines(self._redis.log)}") from error
        finally:
            ledger.close()

    def _start_api(self) -> None:
        """The API chooses its port itself if none is asked for, and tells it by a file: no port is tried twice."""
        port_file = self._state.path / "api.port"
        port_file.unlink(missing_ok=True)
        command = ["api", "--host", "127.0.0.1", "--port", str(self._options.port), "--port-file", str(port_file)]
        self._api = self._part("api", command, self._api_env(), _API_GRACE)
        self._api.await_ready(port_file.exists, _START_BUDGET)
        self._port = int(port_file.read_text(encoding="ascii"))
        self._api.await_ready(self._api_ready, _START_BUDGET)

    def _start_scaler(self) -> None:
        options = self._options
        command = [
            "scaler", "run", "--poll", f"{options.poll:g}",
            "--max", str(options.max_agents), "--min", str(options.warm),
            "--redis-username", AclUser.KEDA,
            "--redis-password-file", str(self._state.redis_password(AclUser.KEDA)),
            "--log-dir", str(self._state.logs / "agents"),
        ]  # fmt: skip
        self._scaler = self._part("scaler", command, self._agent_env(), _SCALER_GRACE)
        log, start = self._scaler.log, self._scaler.log.stat().st_size
        self._scaler.await_ready(lambda: log.stat().st_size > start, _START_BUDGET)

    def _part(self, name: str, command: list[str], env: dict[str, str], grace: float) -> Part:
        log = self._state.logs / f"{name}.log"
        with self._held():
            part = Part(name, [sys.executable, "-m", "raibid.cli", *command], env=env, log=log)
            self._endings.callback(part.end, grace)
            self._traces.add(name, part.pid)
        return part

    def _api_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=5.0).ok
        except requests.RequestException:
            return False  # not listening yet; `await_ready` has the deadline

    def _env(self, user: str) -> dict[str, str]:
        """This process's environment without any other pool's settings, and how `user` reaches this Redis."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAIBID_")}
        return {
            **inherited,
            "PYTHONUNBUFFERED": "1",
            Env.REDIS_URL: self._redis.url,
            Env.REDIS_USERNAME: user,
            Env.REDIS_PASSWORD_FILE: str(self._state.redis_password(user)),
            Env.STORE: self._state.store.as_uri(),
            Env.ALLOW_FILE_REPOS: "1",
        }

    def _api_env(self) -> dict[str, str]:
        return {
            **self._env(AclUser.API),
            Env.PING_SECONDS: str(_PING_SECONDS),
            Env.WEBHOOK_SECRETS_FILE: str(self._state.webhook_secret),
            Env.READ_TOKENS_FILE: str(self._state.read_token),
            Env.WRITE_TOKENS_FILE: str(self._state.write_token),
            **({Env.PUBLIC_URL: self.url} if self._port else {}),
        }

    def _agent_env(self) -> dict[str, str]:
        secrets, memory = self._options.secrets, self._options.memory
        return {
            **self._env(AclUser.AGENT),
            **{name: os.environ[name] for name in _FOR_AGENTS if name in os.environ},
            **({Env.SECRETS_DIR: str(secrets)} if secrets else {}),
            **({Env.MEMORY_LIMIT: memory} if memory else {}),
            Env.API_URL: self.url,
            Env.WORKSPACE: str(self._state.workspaces),
            **toolchain(),
        }
