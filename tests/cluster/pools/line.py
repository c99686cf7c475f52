"""The line from a push to its status: Redis, raibid-api and Gitea as the stack emits them, as plain processes.

Owns: which of the stack's pods run as processes, their addresses, their order.
Leaves to others: who starts agents (`keda.py`, the controller, `local_agents`), the node they run on (`node.py`).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from raibid.contract import AclUser, Env, Secrets
from raibid.ledger import Ledger
from raibid.local.redis_server import free_port

from components import agent_pod, api, gitea_config, redis
from components.agent_pod import NAMESPACE
from components.manifest_tree import Manifest
from components.secret_values import deriver
from tests.cluster.parts.composite import Composite
from tests.cluster.parts.gitea_server import Gitea
from tests.cluster.parts.process import Part, answers
from tests.cluster.pools.emitted_pod import Objects, addressed, as_process
from tests.cluster.pools.emitted_redis import LOOPBACK, emitted_redis
from tests.cluster.tree.emitted import SEED, Sealed

RAIBID: Final = (sys.executable, "-m", "raibid.cli")
OBSERVER: Final = "observer"
"""A user of Redis beside the emitted ones, who may do everything: the checker's, which looks in transactions."""
_OBSERVER_LABEL: Final = "tests/observer"


class Line(Composite):
    """Everything of the line that needs no Kubernetes, listening at `address`; agents come from elsewhere."""

    def __init__(
        self,
        directory: Path,
        tree: Sealed,
        *,
        address: str = LOOPBACK,
        redis_env: Mapping[str, str] | None = None,
        api_env: Mapping[str, str] | None = None,
        forge: bool = True,
    ) -> None:
        """`forge`: with Gitea; without it jobs are enqueued by the API, or in the ledger, and clone elsewhere."""
        self.directory: Final = directory
        self.tree: Final = tree
        self.derive: Final = deriver(SEED, tree.settings.rotation)
        self._forge = forge
        if forge:
            self.gitea = Gitea(directory / "gitea", tree.settings, self.derive, address=address)
        self.redis: Final = emitted_redis(directory / "redis", self._users(), address=address, env=redis_env)
        self._api_port = free_port()
        self.url: Final = f"http://{address}:{self._api_port}"
        self.addresses: Final = {
            **(self._forge_addresses() if forge else {}),
            redis.ADDRESS: f"{address}:{self.redis.port}",
        }
        """What the stack's own names stand for here."""
        self.objects: Final = Objects.of(self.manifests(), NAMESPACE)
        self.api: Final = self._api(address, api_env or {})

    def _forge_addresses(self) -> Mapping[str, str]:
        own = gitea_config.address(self.tree.settings)
        return {own: self.gitea.address, urlsplit(gitea_config.INSIDE).netloc: self.gitea.address}

    def manifests(self) -> list[Manifest]:
        """Every object of the stack, with addresses for names."""
        return [addressed(item.manifest, self.addresses) for item in self.tree.applied]

    def pod(self, kind: str, name: str) -> Manifest:
        """The pod spec of a Deployment, a ScaledJob or a CronJob."""
        spec: Mapping[str, Any] = self.objects.one(kind, name)["spec"]
        holder = spec.get("jobTargetRef") or spec.get("jobTemplate", {}).get("spec") or spec
        pod: Manifest = holder["template"]["spec"]
        return pod

    def as_part(self, deployment: str, *, ready: Any, env: Mapping[str, str], arguments: Mapping[str, str]) -> Part:
        """A Deployment's container as a process; `arguments` are replaced one for one."""
        place = self.directory / deployment
        made = as_process(
            self.pod("Deployment", deployment), self.objects, place, self.directory / "claims", name=deployment
        )
        given = [arguments.get(argument, argument) for argument in made.arguments]
        return Part(deployment, place, [*RAIBID, *given], ready=ready, env={**made.environment, **env})

    def local_agents(self, most: int) -> Part:
        """The local scaler, with the emitted agent's pod as its agents: the line without any Kubernetes."""
        place, job = self.directory / "agents", "CronJob" if self.tree.settings.scaler == "direct" else "ScaledJob"
        made = as_process(self.pod(job, agent_pod.NAME), self.objects, place, self.directory / "claims", name="")
        environment = {key: value for key, value in made.environment.items() if key != Env.AGENT_NAME}
        password = place / "scaler-password"
        password.touch(mode=0o600)
        password.write_text(self.derive(redis.password_label(AclUser.KEDA)))
        own = ["--redis-username", AclUser.KEDA, "--redis-password-file", str(password)]
        command = [*RAIBID, "scaler", "run", "--max", str(most), "--poll", "0.2", *own]
        log = place / "local-scaler.log"
        return Part("local-scaler", place, command, ready=lambda: "poll" in log.read_text(), env=environment)

    def ledger(self) -> Ledger:
        """The ledger as the API's user has it."""
        return Ledger.connect(
            f"redis://{LOOPBACK}:{self.redis.port}/0",
            username=AclUser.API,
            password=self.derive(redis.password_label(AclUser.API)),
        )

    def observer_password(self) -> str:
        """Of the user `OBSERVER`."""
        return self.derive(_OBSERVER_LABEL)

    def token(self) -> str:
        """A token that may change state."""
        return self.objects.data("Secret", Secrets.API)["write-tokens"].decode().strip()

    def _start(self, stack: ExitStack) -> None:
        stack.enter_context(self.redis)
        stack.enter_context(self.api)
        if self._forge:
            stack.enter_context(self.gitea)
            self.gitea.set_up(f"{self.url}/webhook/gitea")

    def _users(self) -> str:
        """The emitted users and the observer."""
        there = Objects.of((item.manifest for item in self.tree.applied), redis.NAMESPACE)
        emitted = there.data("Secret", Secrets.REDIS_ACL)["users.acl"]
        digest = hashlib.sha256(self.derive(_OBSERVER_LABEL).encode()).hexdigest()
        return f"{emitted.decode()}user {OBSERVER} on #{digest} ~* &* +@all\n"

    def _api(self, address: str, env: Mapping[str, str]) -> Part:
        here = {"0.0.0.0": address, str(api.PORT): str(self._api_port)}
        reached = {Env.PUBLIC_URL: self.url, **env}
        return self.as_part(api.NAME, ready=answers(f"{self.url}/readyz"), env=reached, arguments=here)
