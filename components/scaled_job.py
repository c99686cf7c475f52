"""CI agents: one Job per claimed build, from none to as many as fit.

Owns: the ScaledJob, the pod it makes of the agent's image, the credentials of KEDA and of agents, the shared cache.
Leaves to others: KEDA itself (`keda`), how many agents fit and how large they are (`budget`), the image
(`agent_image`), what an agent does (`raibid.worker`).

Every scaling value is measured: spec/queue.md 1.3 and 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pulumi import ComponentResource, ResourceOptions
from raibid.contract import POLL_SECONDS, STREAM, AclUser, Env, Secrets

from components import gitea_config, priority, redis
from components.budget import Budget, Footprint
from components.manifest_tree import Derive, Manifest, SecretManifest, Tree, emit
from components.network import DNS, INTERNET, network_policy, pods, to_peers
from components.settings import Settings
from components.units import cores_text, size_text
from components.workload import CONTAINER_SECURITY, labels, metadata, pod_security, service_account, volume_claim

NAME: Final = "ci-agent"
FLOWS: Final = (
    ("redis", "claim, log, finish"),
    ("gitea", "clone"),
)
"""Whom it talks to, and about what: `components graph` draws it."""
NAMESPACE: Final = "ci"
DIRECTORY: Final = "infrastructure/keda/ci-agent"
IMAGE: Final = "raibid-agent"
"""Stands for the image that `clusters/<env>` names: repository, tag or digest."""
USER: Final = 10001  # raibid in the images of agent/Dockerfile
GIT_USER: Final = "ci-agent"
"""Clones at the stack's own Gitea: `gitea_setup` makes it and lets it read."""
GIT_LABEL: Final = "gitea/agent"
STORE_CLAIM: Final = "raibid-store"
STORE: Final = "/var/lib/raibid"
_REDIS_SECRET: Final = "/run/secrets/redis"  # noqa: S105  (a path)
_GIT_SECRET: Final = "/run/secrets/git"  # noqa: S105
_PIPELINE_SECRETS: Final = "/run/secrets/pipelines"
_WORKSPACE: Final = "/workspace"
_DEADLINE: Final = 2700
"""Seconds from the pod's start: above the longest build's own timeout of 30 minutes."""
_GRACE: Final = 60
"""From SIGTERM an agent ends its build, sends the log's end and releases the job."""


def footprint(settings: Settings) -> Footprint:
    """Nothing of its own: agents are what the budget leaves, once everything else has its share."""
    return Footprint(NAME, ())


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    return Tree(
        NAME,
        {
            DIRECTORY: [
                _scaled_job(),
                _trigger_authentication(),
                # Bound to nothing and its token mounted nowhere: a build has no business with the API server.
                service_account(NAME, NAMESPACE, NAME),
                # One volume for all agents of a node: cargo locks its registry itself. ReadWriteOnce means one node,
                # not one pod; on several nodes it holds all agents on the first, unless the class has ReadWriteMany.
                volume_claim("ci-agent-cache", NAMESPACE, NAME, "${ci_agent_cache}"),
                _network_policy(),
                SecretManifest(NAMESPACE, Secrets.REDIS_KEDA, _credentials(AclUser.KEDA)),
                SecretManifest(NAMESPACE, Secrets.REDIS_AGENT, _credentials(AclUser.AGENT)),
                SecretManifest(NAMESPACE, Secrets.AGENT_GITEA, _git_credentials),
            ]
        },
    )


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Values of this environment for `${…}` in the files above."""
    agents = budget.agents
    return {
        "ci_agent_max": str(agents.maximum),
        "ci_agent_warm": str(agents.warm),
        "ci_agent_cpu": cores_text(agents.cpu),
        "ci_agent_cpu_limit": cores_text(agents.cpu_limit or agents.cpu),
        "ci_agent_memory": size_text(agents.memory),
        "ci_agent_memory_limit": size_text(agents.memory_limit or agents.memory),
        "ci_agent_scratch": size_text(agents.scratch),
        "ci_agent_cache": size_text(agents.cache),
        "ci_agent_forge": gitea_config.address(settings),
    }


def _scaled_job() -> Manifest:
    trigger = {
        "type": "redis-streams",
        # The stream's length, in flight or not, is the number of agents wanted. With consumerGroup KEDA would count
        # only what somebody has already read: from zero agents nothing would ever start (spec/gitops.md 0.1).
        "metadata": {"address": redis.ADDRESS, "stream": STREAM, "streamLength": "1"},
        "authenticationRef": {"name": Secrets.REDIS_KEDA},
    }
    job = {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 0,  # the queue alone decides what is tried again
        "ttlSecondsAfterFinished": 86_400,
        "template": {"metadata": {"labels": labels(NAME)}, "spec": _pod()},
    }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledJob",
        "metadata": metadata(NAME, NAMESPACE, NAME),
        "spec": {
            "pollingInterval": int(POLL_SECONDS),
            "minReplicaCount": "${ci_agent_warm}",
            "maxReplicaCount": "${ci_agent_max}",
            "successfulJobsHistoryLimit": 5,
            "failedJobsHistoryLimit": 20,
            # The default strategy deletes running builds at every edit of this file.
            "rollout": {"strategy": "gradual"},
            "jobTargetRef": job,
            "triggers": [trigger],
        },
    }


def _pod() -> Manifest:
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE,
        # At the pod, not at the Job, where it would count the time while no node has room.
        "activeDeadlineSeconds": _DEADLINE,
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "priorityClassName": priority.AGENTS,
        "securityContext": pod_security(USER),
        "containers": [_container()],
        "volumes": [
            {"name": "scratch", "emptyDir": {"sizeLimit": "${ci_agent_scratch}"}},
            {"name": "cache", "persistentVolumeClaim": {"claimName": "ci-agent-cache"}},
            {"name": "store", "persistentVolumeClaim": {"claimName": STORE_CLAIM}},
            _secret_volume("redis", Secrets.REDIS_AGENT),
            _git_volume(),
            # Made by operators where pipelines need it.
            _secret_volume("pipelines", Secrets.AGENT_PIPELINES, optional=True),
        ],
    }


def _git_volume() -> Manifest:
    """The stack's own Gitea, and beside it the forges that operators name, if they do."""
    sources = (("gitea", {"name": Secrets.AGENT_GITEA}), ("others", {"name": Secrets.AGENT_GIT, "optional": True}))
    files = [{"secret": {**secret, "items": [{"key": "credentials", "path": path}]}} for path, secret in sources]
    return {"name": "git", "projected": {"defaultMode": 0o440, "sources": files}}


def _secret_volume(name: str, secret: str, **more: bool) -> Manifest:
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440, **more}}


def _container() -> Manifest:
    amounts = {"memory": "${ci_agent_memory}", "ephemeral-storage": "${ci_agent_scratch}"}
    limits = {"memory": "${ci_agent_memory_limit}", "ephemeral-storage": "${ci_agent_scratch}"}
    return {
        "name": "agent",
        "image": IMAGE,
        "args": ["agent"],
        "env": [{"name": name, "value": value} for name, value in _environment().items()]
        # The pod's name is what people see in `kubectl get pods`.
        + [{"name": Env.AGENT_NAME, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "resources": {
            "requests": {"cpu": "${ci_agent_cpu}", **amounts},
            "limits": {"cpu": "${ci_agent_cpu_limit}", **limits},
        },
        "securityContext": dict(CONTAINER_SECURITY),
        "volumeMounts": [
            {"name": "scratch", "mountPath": _WORKSPACE, "subPath": "workspace"},
            {"name": "scratch", "mountPath": "/tmp", "subPath": "tmp"},  # noqa: S108  (the pod's own)
            {"name": "cache", "mountPath": f"{_WORKSPACE}/.cargo"},
            # Artifacts only: what else is in the store (records and logs of all jobs) is no build's business.
            {"name": "store", "mountPath": f"{STORE}/artifacts", "subPath": "artifacts"},
            {"name": "redis", "mountPath": _REDIS_SECRET, "readOnly": True},
            {"name": "git", "mountPath": _GIT_SECRET, "readOnly": True},
            {"name": "pipelines", "mountPath": _PIPELINE_SECRETS, "readOnly": True},
        ],
    }


def _environment() -> Mapping[str, str]:
    return {
        Env.REDIS_URL: f"redis://{redis.ADDRESS}/0",
        Env.REDIS_USERNAME: AclUser.AGENT,
        Env.REDIS_PASSWORD_FILE: f"{_REDIS_SECRET}/password",
        Env.STREAM: STREAM,
        Env.STORE: f"file://{STORE}",
        Env.WORKSPACE: f"{_WORKSPACE}/jobs",
        Env.GIT_CREDENTIALS_FILE: _GIT_SECRET,
        Env.SECRETS_DIR: _PIPELINE_SECRETS,
    }


def _trigger_authentication() -> Manifest:
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "TriggerAuthentication",
        "metadata": metadata(Secrets.REDIS_KEDA, NAMESPACE, NAME),
        "spec": {
            "secretTargetRef": [
                {"parameter": key, "name": Secrets.REDIS_KEDA, "key": key} for key in ("username", "password")
            ]
        },
    }


def _network_policy() -> Manifest:
    # Nobody calls an agent. It calls Redis and the forge, the API, and what its builds fetch from the outside.
    return network_policy(
        NAME,
        NAMESPACE,
        NAME,
        ingress=(),
        egress=(
            DNS,
            to_peers(pods(redis.NAMESPACE, "redis"), ports=(6379,)),
            to_peers(pods("infrastructure", "gitea"), ports=(3000, 2222)),
            to_peers(pods(NAMESPACE, "raibid-api"), ports=(8460,)),
            to_peers(INTERNET, ports=(443,)),
        ),
    )


def _credentials(user: str) -> Any:
    def values(derive: Derive) -> Mapping[str, str]:
        return {"username": user, "password": derive(redis.password_label(user))}

    return values


def _git_credentials(derive: Derive) -> Mapping[str, str]:
    # Flux decrypts before it substitutes (kustomize-controller, `build`), so a Secret too may ask for a value. The
    # host is the one of clone URLs, which follow Gitea's ROOT_URL: credentials are offered to that host only.
    return {"credentials": f"http://{GIT_USER}:{derive(GIT_LABEL)}@${{ci_agent_forge}}\n"}


@dataclass(frozen=True, kw_only=True)
class ScaledJobArgs:
    """What the component needs."""

    settings: Settings


class ScaledJob(ComponentResource):
    """The agents in the stack's graph: KEDA makes them from files that Flux applies."""

    def __init__(self, name: str, args: ScaledJobArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:ScaledJob", name, {"files": files}, opts)
        self.register_outputs({})
