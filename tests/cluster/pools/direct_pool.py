"""A pool without KEDA: the emitted template, the real `raibid controller` with the emitted account's rights.

Owns: the stack with `scaler: direct`, the controller as a process, the changes to its template that tests ask for.
Leaves to others: the ledger, the pods (`pool_by_hand.py`), the control plane.
"""

from __future__ import annotations

import copy
import sys
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

from raibid.contract import AclUser, Annotations, Env

from components import agent_pod, controller, redis
from components.agent_pod import NAMESPACE
from components.manifest_tree import Manifest
from components.settings import Settings, load_stack
from tests.cluster.parts.composite import Composite
from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.parts.process import Part
from tests.cluster.pools.pool_by_hand import STACK, PoolByHand
from tests.flux.rendered import Rendered, render

MOST: Final = 7
RIGHTS: Final = ("ServiceAccount", "Role", "RoleBinding")
"""Kinds by which the controller is somebody and may do something."""


@cache
def direct_tree() -> Rendered:
    """The stack as it is with `scaler: direct`."""
    return render(Settings.model_validate({**load_stack(STACK).model_dump(by_alias=True), "scaler": "direct"}))


class Controller(Part):
    """`raibid controller`: the emitted account's token, the emitted Redis user, and nothing else."""

    def __init__(self, pool: PoolByHand, directory: Path, *, name: str = controller.NAME) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        token = pool.plane.kubectl("create", "token", controller.NAME, f"--namespace={NAMESPACE}").strip()
        password = directory / "password"
        password.touch(mode=0o600)
        password.write_text(redis.password_label(AclUser.CONTROLLER))
        self._read = 0
        super().__init__(
            name,
            directory,
            [sys.executable, "-m", "raibid.cli", "controller", "--scaler", "direct", "--json"],
            ready=lambda: '"kind":"started"' in self.said(),
            env={
                "KUBECONFIG": str(pool.plane.kubeconfig(controller.NAME, token=token)),
                "NO_PROXY": "*",
                Env.NAMESPACE: NAMESPACE,
                Env.REDIS_URL: pool.redis.url,
                Env.REDIS_USERNAME: AclUser.CONTROLLER,
                Env.REDIS_PASSWORD_FILE: str(password),
            },
        )

    def said(self) -> str:
        """What it has printed since its last start."""
        return self.log.read_text()[self._read :] if self.log.exists() else ""

    def launch(self) -> Self:
        """As every part; what it said in an earlier life is no sign of this one's."""
        self._read = len(self.log.read_text()) if self.log.exists() else 0
        return super().launch()


class DirectPool(Composite):
    """`kubelets`: pods run, as agents with the real ledger; without, their status is the test's to patch."""

    def __init__(self, plane: ControlPlane, directory: Path, *, kubelets: bool = True, lease: float = 30.0) -> None:
        self.plane: Final = plane
        self.hand: Final = PoolByHand(plane, directory, tree=direct_tree(), kubelets=kubelets, lease=lease)
        self.directory: Final = directory
        self.controller: Controller

    def template(self, *, most: int = MOST, least: int = 0, **job: Any) -> Manifest:
        """The emitted CronJob with other numbers of agents, and these fields of its Jobs changed."""
        manifest = copy.deepcopy(dict(self.hand.tree.one("CronJob", agent_pod.NAME)))
        manifest["metadata"]["annotations"] |= {Annotations.MAX_AGENTS: str(most), Annotations.MIN_AGENTS: str(least)}
        manifest["spec"]["jobTemplate"]["spec"] |= job
        return manifest

    def another_controller(self) -> Controller:
        """A second replica, which nobody wants."""
        return Controller(self.hand, self.directory / "another", name="another-controller")

    def _start(self, stack: ExitStack) -> None:
        stack.enter_context(self.hand)
        emitted = [item.manifest for item in self.hand.tree.applied if item.manifest["kind"] in RIGHTS]
        self.plane.apply(*(item for item in emitted if item["metadata"].get("namespace") == NAMESPACE))
        self.plane.apply(self.template())
        self.controller = stack.enter_context(Controller(self.hand, self.directory / "controller"))
