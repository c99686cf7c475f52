"""A pool without a node: the emitted ScaledJob and all that is beside it, its Redis with its ACL, pods run by hand.

Owns: rendering the stack, the one change that a machine without its network needs (Redis' address), the ledger as the
API has it, waiting for the pool's rest.
Leaves to others: who starts agents (`keda.py`), what they do (`builders.py`), a pool with a real node (`pool.py`).
"""

from __future__ import annotations

import copy
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml
from raibid.contract import AclUser, Labels, Secrets
from raibid.ledger import Ledger, NewJob, Timing
from raibid.model.job import Job, JobSpec
from raibid.model.job_id import new_job_id
from raibid.scaler.arithmetic import Scaling
from raibid.scaler.doctor import KEDA_VERSION
from raibid.scaler.scaled_job import parse_scaled_jobs

from components import agent_pod, redis
from components.agent_pod import NAMESPACE
from components.manifest_tree import Manifest
from components.settings import load_stack
from tests.cluster.parts.composite import Composite
from tests.cluster.parts.control_plane import ControlPlane
from tests.cluster.parts.namespace import namespace
from tests.cluster.pools.builders import Builders
from tests.cluster.pools.emitted_redis import emitted_redis
from tests.cluster.pools.hands import Hands
from tests.cluster.pools.job_watch import JobWatch
from tests.flux.rendered import Rendered, render
from tests.waiting import until

STACK: Final = "dgx-spark"
_STAGES: Final = ("infra-namespaces", "ci-agents")


class PoolByHand(Composite):
    """One stack's agents. A control plane may be shared by pools that follow each other."""

    def __init__(
        self,
        plane: ControlPlane,
        directory: Path,
        *,
        lease: float = 30.0,
        tree: Rendered | None = None,
        kubelets: bool = True,
    ) -> None:
        """`tree`: another than the stack's own; without `kubelets` nobody runs the pods, tests patch their status."""
        self.plane: Final = plane
        self.tree: Final[Rendered] = tree or render(load_stack(STACK))
        self._kubelets = kubelets
        users = self.tree.one("Secret", Secrets.REDIS_ACL)["stringData"]["users.acl"]
        self.redis: Final = emitted_redis(directory / "redis", users)
        self.timing: Final = Timing(lease=lease, beat=lease / 3)
        self.builders: Final = Builders(lambda: self.connect(AclUser.AGENT))
        client = plane.client()
        self.jobs: Final = JobWatch(client, NAMESPACE)
        self.hands: Final = Hands(client, NAMESPACE, self.builders)

    @cached_property
    def ledger(self) -> Ledger:
        """As the API."""
        return self.connect(AclUser.API)

    @property
    def most(self) -> int:
        """Agents at once, as the stack's budget has them."""
        return int(self.tree.variables["ci_agent_max"])

    @property
    def scaled_job(self) -> Manifest:
        """The stack's ScaledJob with this machine's Redis in its trigger; else as emitted."""
        manifest = copy.deepcopy(dict(self.tree.one("ScaledJob", agent_pod.NAME)))
        manifest["spec"]["triggers"][0]["metadata"]["address"] = f"127.0.0.1:{self.redis.port}"
        return manifest

    @property
    def scaling(self) -> Scaling:
        """What the arithmetic makes of the ScaledJob."""
        (scaled_job,) = parse_scaled_jobs(yaml.safe_dump(self.scaled_job))
        return scaled_job.scaling(KEDA_VERSION)

    def connect(self, user: str) -> Ledger:
        """The ledger as one of its users; the rendered tree's passwords are their labels."""
        secret = redis.password_label(user)
        return Ledger.connect(self.redis.url, username=user, password=secret, timing=self.timing)

    def enqueue(self, count: int = 1) -> list[str]:
        """So many jobs at once; their ids."""
        spec = JobSpec(repo="acme/anvil", clone_url="https://forge.test/acme/anvil.git", ref="refs/heads/main")
        asked = [NewJob(spec=spec, dedupe=new_job_id()) for _ in range(count)]
        return [taken.id for taken in self.ledger.enqueue(asked)]

    def job(self, job_id: str) -> Job:
        """A job's record."""
        job = self.ledger.records.get(job_id)
        assert job
        return job

    def await_ended(self, jobs: list[str], budget: float = 120.0) -> None:
        """Return when all of these have ended."""
        until(lambda: all(self.job(job).status.terminal for job in jobs), "all jobs have ended", budget)

    def await_zero(self) -> None:
        """Return when no Job is unfinished and nothing is wanted."""
        until(lambda: not self.jobs.unfinished and not self.ledger.wanted(), "back to zero", 60.0)

    def await_builds(self, count: int) -> list[str]:
        """Return when so many agents have a job; their names."""
        until(lambda: len(self.builders.builds) >= count, f"{count} agents have a job", 60.0)
        return [build.agent for build in self.builders.builds]

    def apply(self, **spec: Any) -> None:
        """The ScaledJob, with these fields of its `spec` changed."""
        manifest = self.scaled_job
        self.plane.apply({**manifest, "spec": {**manifest["spec"], **spec}})

    def by_hand(self, count: int) -> None:
        """Jobs as the direct scaler makes them: the same template, the label by which KEDA counts them."""
        template = self.scaled_job["spec"]["jobTargetRef"]
        metadata = {"namespace": NAMESPACE, "labels": {Labels.SCALED_JOB: agent_pod.NAME}}
        self.plane.apply(
            *(
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "metadata": {**metadata, "name": f"{agent_pod.NAME}-by-hand-{number}"},
                    "spec": template,
                }
                for number in range(count)
            )
        )

    def _start(self, stack: ExitStack) -> None:
        stack.enter_context(self.redis)
        self.ledger.setup()
        self.ledger.set_window(self.most)
        stack.callback(self.ledger.close)
        self.plane.apply(*self._surroundings())
        stack.callback(self._remove)
        stack.enter_context(self.jobs)
        if self._kubelets:
            stack.enter_context(self.hands)

    def _remove(self) -> None:
        """What starts agents, and all Jobs: the next pool on this control plane begins with none."""
        self.builders.gate.set()
        starter = "scaledjobs.keda.sh" if self.tree.settings.scaler == "keda" else "cronjobs.batch"
        for kinds in (starter, "jobs.batch,pods"):
            self.plane.kubectl("delete", kinds, "--all", f"--namespace={NAMESPACE}", "--timeout=60s")

    def _surroundings(self) -> list[Manifest]:
        """Everything that the stack puts beside its agents, except what starts them."""
        emitted = [
            item.manifest
            for item in self.tree.applied
            if item.stage in _STAGES
            and (item.manifest["metadata"].get("namespace") == NAMESPACE or item.manifest["kind"] == "PriorityClass")
            and item.manifest["kind"] not in ("ScaledJob", "CronJob")
        ]
        return [namespace(NAMESPACE), *emitted]
