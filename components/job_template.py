"""The template that `raibid-controller` makes agents of, and its right to: agents without KEDA (`scaler: direct`).

Owns: the suspended CronJob around an agent's Job, the rights that only this scaler needs.
Leaves to others: the controller itself (`controller`), the Job (`agent_pod`), how many agents fit (`budget`), the
other way to start them (`scaled_job`).

A CronJob and not a ConfigMap: kustomize puts the environment's image into it, the API server validates it, admission
policies judge it, and `kubectl create job --from=cronjob/ci-agent` starts an agent by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions
from raibid.contract import Annotations, Labels

from components import agent_pod, controller
from components.agent_pod import NAMESPACE
from components.budget import Budget, Footprint
from components.manifest_tree import Manifest, Tree, emit
from components.settings import Settings
from components.workload import labels, metadata, role, role_binding, rule

NAME: Final = "job-template"
FLOWS: Final = ()
DIRECTORY: Final = "infrastructure/direct/ci-agent"
_KIND: Final = {"apiVersion": "batch/v1", "kind": "CronJob"}
HEALTH: Final[Manifest] = {"healthChecks": [{**_KIND, "name": agent_pod.NAME, "namespace": NAMESPACE}]}
"""A CronJob is well once it is there (kstatus); the controller is waited for in the stage before."""
RIGHTS: Final = "raibid-controller-jobs"
_NEVER: Final = "0 0 31 2 *"
"""The 31st of February: should somebody resume it."""


def footprint(settings: Settings) -> Footprint:
    """Nothing runs: the controller acts upon it."""
    return Footprint(NAME, ())


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    binding = role_binding(RIGHTS, NAMESPACE, NAME, account=controller.NAME)
    return Tree(NAME, {DIRECTORY: [_cron_job(), _rights(), binding]})


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """The agents' own (`agents`)."""
    return {}


def _cron_job() -> Manifest:
    numbers = {Annotations.MAX_AGENTS: "${ci_agent_max_text}", Annotations.MIN_AGENTS: "${ci_agent_warm_text}"}
    return {
        **_KIND,
        "metadata": metadata(agent_pod.NAME, NAMESPACE, agent_pod.NAME, **numbers),
        "spec": {
            "suspend": True,
            "schedule": _NEVER,
            "concurrencyPolicy": "Forbid",
            # The controller keeps to these, and Kubernetes' own does for Jobs that were made by hand.
            "successfulJobsHistoryLimit": agent_pod.SUCCEEDED_KEPT,
            "failedJobsHistoryLimit": agent_pod.FAILED_KEPT,
            "jobTemplate": {
                # By KEDA's label it counts these Jobs too: after a change of scalers neither starts what the other has.
                "metadata": {"labels": {**labels(agent_pod.NAME), Labels.SCALED_JOB: agent_pod.NAME}},
                "spec": agent_pod.job_spec(),
            },
        },
    }


def _rights() -> Manifest:
    return role(
        RIGHTS,
        NAMESPACE,
        NAME,
        rule("batch", ["cronjobs"], ["get"], names=[agent_pod.NAME]),
        rule("batch", ["jobs"], ["watch", "create", "delete"]),
    )


@dataclass(frozen=True, kw_only=True)
class JobTemplateArgs:
    """What the component needs."""

    settings: Settings


class JobTemplate(ComponentResource):
    """The template in the stack's graph: the controller makes agents from files that Flux applies."""

    def __init__(self, name: str, args: JobTemplateArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:JobTemplate", name, {"files": files}, opts)
        self.register_outputs({})
