"""The ScaledJob: by which KEDA starts a Job per claimed build, from none to as many as fit (`scaler: keda`).

Owns: the ScaledJob around an agent's Job, KEDA's credentials for the work stream.
Leaves to others: KEDA itself (`keda`), the Job (`agent_pod`), how many agents fit (`budget`), the other way to start
them (`job_template`).

Every scaling value is measured: spec/queue.md 1.3 and 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions
from raibid.contract import POLL_SECONDS, STREAM, AclUser, Secrets

from components import agent_pod, redis
from components.agent_pod import NAMESPACE
from components.budget import Budget, Footprint
from components.manifest_tree import Manifest, SecretManifest, Tree, emit
from components.settings import Settings
from components.workload import metadata

NAME: Final = "scaled-job"
FLOWS: Final = ()
DIRECTORY: Final = "infrastructure/keda/ci-agent"
_KIND: Final = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob"}
HEALTH: Final[Manifest] = {
    "healthChecks": [{**_KIND, "name": agent_pod.NAME, "namespace": NAMESPACE}],
    "healthCheckExprs": [
        {
            **_KIND,
            "current": "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')",
            "failed": "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'False')",
        }
    ],
}
"""When KEDA has taken it over, as a Flux Kustomization asks."""


def footprint(settings: Settings) -> Footprint:
    """Nothing runs: KEDA acts upon it."""
    return Footprint(NAME, ())


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    secret = SecretManifest(NAMESPACE, Secrets.REDIS_KEDA, redis.credentials(AclUser.KEDA))
    return Tree(NAME, {DIRECTORY: [_scaled_job(), _trigger_authentication(), secret]})


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """None of its own: `agents` has those of the pod, and how many there are."""
    return {}


def _scaled_job() -> Manifest:
    trigger = {
        "type": "redis-streams",
        # The stream's length, in flight or not, is the number of agents wanted. With consumerGroup KEDA would count
        # only what somebody has already read: from zero agents nothing would ever start (spec/gitops.md 0.1).
        "metadata": {"address": redis.ADDRESS, "stream": STREAM, "streamLength": "1"},
        "authenticationRef": {"name": Secrets.REDIS_KEDA},
    }
    return {
        **_KIND,
        "metadata": metadata(agent_pod.NAME, NAMESPACE, agent_pod.NAME),
        "spec": {
            "pollingInterval": int(POLL_SECONDS),
            "minReplicaCount": "${ci_agent_warm}",
            "maxReplicaCount": "${ci_agent_max}",
            "successfulJobsHistoryLimit": agent_pod.SUCCEEDED_KEPT,
            "failedJobsHistoryLimit": agent_pod.FAILED_KEPT,
            # The default strategy deletes running builds at every edit of this file.
            "rollout": {"strategy": "gradual"},
            "jobTargetRef": agent_pod.job_spec(),
            "triggers": [trigger],
        },
    }


def _trigger_authentication() -> Manifest:
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "TriggerAuthentication",
        "metadata": metadata(Secrets.REDIS_KEDA, NAMESPACE, agent_pod.NAME),
        "spec": {
            "secretTargetRef": [
                {"parameter": key, "name": Secrets.REDIS_KEDA, "key": key} for key in ("username", "password")
            ]
        },
    }


@dataclass(frozen=True, kw_only=True)
class ScaledJobArgs:
    """What the component needs."""

    settings: Settings


class ScaledJob(ComponentResource):
    """The ScaledJob in the stack's graph: KEDA makes agents from files that Flux applies."""

    def __init__(self, name: str, args: ScaledJobArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:ScaledJob", name, {"files": files}, opts)
        self.register_outputs({})
