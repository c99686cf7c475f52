"""An agent's pod, and the Job around it: the one shape that both scalers start.

Owns: what an agent is given (image, environment, volumes, room) and how long it may take.
Leaves to others: who starts how many of them (`scaled_job`, `job_template`), what they share (`agents`), the image
(`agent_image`), what an agent does (`raibid.worker`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from raibid.contract import AGENT_APP, STREAM, AclUser, Env, Secrets

from components import priority, redis
from components.manifest_tree import Manifest
from components.workload import CONTAINER_SECURITY, labels, pod_security

NAME: Final = AGENT_APP
NAMESPACE: Final = "ci"
IMAGE: Final = "raibid-agent"
"""Stands for the image that `clusters/<env>` names: repository, tag or digest."""
USER: Final = 10001  # raibid in the images of agent/Dockerfile
CACHE_CLAIM: Final = "ci-agent-cache"
STORE_CLAIM: Final = "raibid-store"
STORE: Final = "/var/lib/raibid"
SUCCEEDED_KEPT: Final = 5
"""Finished Jobs that stay to be looked at, before their day is over."""
FAILED_KEPT: Final = 20
_REDIS_SECRET: Final = "/run/secrets/redis"  # noqa: S105  (a path)
_GIT_SECRET: Final = "/run/secrets/git"  # noqa: S105
_PIPELINE_SECRETS: Final = "/run/secrets/pipelines"
_WORKSPACE: Final = "/workspace"
_DEADLINE: Final = 2700
"""Seconds from the pod's start: above a build's timeout of 30 minutes where its pipeline names none."""
_BEFORE_AND_AFTER: Final = 300
"""Of these for what is no build: pulling the image, waiting for a job, artifacts and the log's end. An agent that ends
its build by then says so itself; the deadline is for one that does not."""
_GRACE: Final = 60
"""From SIGTERM an agent ends its build, sends the log's end and releases the job."""


def job_spec() -> Manifest:
    """A Job's `spec`: KEDA's `jobTargetRef` and the direct scaler's `jobTemplate.spec`, byte for byte."""
    return {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 0,  # the queue alone decides what is tried again
        "ttlSecondsAfterFinished": 86_400,
        "template": {"metadata": {"labels": labels(NAME)}, "spec": _pod()},
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
            {"name": "cache", "persistentVolumeClaim": {"claimName": CACHE_CLAIM}},
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
        Env.AGENT_SECONDS: str(_DEADLINE - _BEFORE_AND_AFTER),
    }
