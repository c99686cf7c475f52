"""The rules for single objects: plain manifests in, messages out.

Owns: what is demanded of workloads, Secrets, stored data and Flux objects, and why.
Leaves to others: KEDA's semantics (`doctor`), rules over all objects together (`set_rules`), the same demands at
admission (`components.admission`, which repeats these messages).
"""

# ruff: noqa: ARG001  (checks share one signature, needed or not)
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from policies.manifest import Manifest, annotation, containers, group, namespace, pod_spec, section
from policies.rule import AGENTS, Bounds, Rule

_EXACT: Final = re.compile(r"[^:@]+(:(?!latest$)\w[\w.-]{0,127}|(:\w[\w.-]{0,127})?@sha256:[0-9a-f]{64})")
_SOCKETS: Final = ("docker.sock", "containerd.sock", "crio.sock")
_COUNT: Final = re.compile(r"[0-9]{1,4}")
"""As the API server's twin reads it: a number out of bounds would be an error of CEL rather than a refusal."""
MAX_AGENTS: Final = "raibid.dev/max-agents"
"""Annotation of the CronJob that the direct scaler makes agents of."""
AGENT: Final = "ci-agent"
"""Agents' account; the names of their Secrets begin so."""
KEEP: Final = ("kustomize.toolkit.fluxcd.io/prune", "disabled")


def _image_exact(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    for container in containers(manifest):
        last = str(container.get("image", "")).rpartition("/")[2]
        if not _EXACT.fullmatch(last):
            yield f"container {container.get('name')}: image {container.get('image')!r}"


def _image_allowed(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    if bounds.images is None:
        return
    for container in containers(manifest):
        if not re.match(bounds.images, str(container.get("image", ""))):
            yield f"container {container.get('name')}: image {container.get('image')!r}"


def _resources(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    for container in containers(manifest):
        given = section(container, "resources")
        wanted = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))
        missing = [f"{kind}.{what}" for kind, what in wanted if what not in section(given, kind)]
        if missing:
            yield f"container {container.get('name')}: no {', '.join(missing)}"


def _non_root(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    if namespace(manifest) != AGENTS:
        return
    whole_pod = section(pod_spec(manifest) or {}, "securityContext")
    for container in containers(manifest):
        own = section(container, "securityContext")
        if own.get("runAsNonRoot", whole_pod.get("runAsNonRoot")) is not True:
            yield f"container {container.get('name')}: runAsNonRoot is not true"


def _unprivileged(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    if namespace(manifest) != AGENTS:
        return
    for container in containers(manifest):
        own = section(container, "securityContext")
        if own.get("privileged"):
            yield f"container {container.get('name')}: privileged"
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"container {container.get('name')}: allowPrivilegeEscalation is not false"


def _host_apart(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    spec = pod_spec(manifest)
    if spec is None or namespace(manifest) != AGENTS:
        return
    for volume in spec.get("volumes") or ():
        if "hostPath" in volume:
            yield f"volume {volume.get('name')}: hostPath {section(volume, 'hostPath').get('path')}"
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield field


def _no_runtime_socket(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    for volume in (pod_spec(manifest) or {}).get("volumes") or ():
        path = str(section(volume, "hostPath").get("path", ""))
        if path.endswith(_SOCKETS):
            yield f"volume {volume.get('name')}: {path}"


def _agent_job(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    if manifest.get("kind") != "Job" or namespace(manifest) != AGENTS:
        return
    spec = pod_spec(manifest) or {}
    if spec.get("serviceAccountName") != AGENT:
        yield f"serviceAccountName {spec.get('serviceAccountName')!r}"
    for volume in spec.get("volumes") or ():
        projected = [
            section(source, "secret").get("name") for source in section(volume, "projected").get("sources", ())
        ]
        for secret in filter(None, (section(volume, "secret").get("secretName"), *projected)):
            if not str(secret).startswith(f"{AGENT}-"):
                yield f"volume {volume.get('name')}: Secret {secret}"
    for container in containers(manifest):
        variables = [section(entry, "valueFrom", "secretKeyRef").get("name") for entry in container.get("env") or ()]
        if any(variables) or container.get("envFrom"):
            yield f"container {container.get('name')}: variables of a Secret"


def _encrypted(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    if manifest.get("kind") != "Secret" or group(manifest):
        return
    for field in ("data", "stringData"):
        for key, value in section(manifest, field).items():
            if "sops" not in manifest or not (value == "" or str(value).startswith("ENC[AES256_GCM,")):
                yield f"{field}.{key} is readable"


def _within_budget(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    if manifest.get("kind") != "ScaledJob" or bounds.most_agents is None:
        return
    # KEDA's default for an absent maxReplicaCount is 100 (KEDA v2.21 scaledjob_types.go).
    most = section(manifest, "spec").get("maxReplicaCount", 100)
    if not isinstance(most, int) or most > bounds.most_agents:
        yield f"spec.maxReplicaCount is {most}, the budget has room for {bounds.most_agents}"


def _template_within_budget(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    if manifest.get("kind") != "CronJob" or bounds.most_agents is None:
        return
    most = section(manifest, "metadata", "annotations").get(MAX_AGENTS)
    if most is not None and not (_COUNT.fullmatch(str(most)) and int(most) <= bounds.most_agents):
        yield f"{MAX_AGENTS} is {most!r}, the budget has room for {bounds.most_agents}"


def _kept(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    kind, spec = manifest.get("kind"), section(manifest, "spec")
    if kind == "StatefulSet" and spec.get("volumeClaimTemplates"):
        policy = section(spec, "persistentVolumeClaimRetentionPolicy")
        # Absent means Retain (Kubernetes API); Delete must be somebody's mistake.
        yield from (f"{when} is {said}" for when, said in policy.items() if said != "Retain")
    elif kind != "PersistentVolumeClaim":
        return
    if annotation(manifest, KEEP[0]) != KEEP[1]:
        yield f"no annotation {KEEP[0]}: {KEEP[1]}"


def _kustomization(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    if group(manifest) != "kustomize.toolkit.fluxcd.io":
        return
    spec = section(manifest, "spec")
    yield from (f"no spec.{field}" for field in ("interval", "retryInterval", "timeout", "prune") if field not in spec)


def _helm_release(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    if group(manifest) != "helm.toolkit.fluxcd.io":
        return
    spec = section(manifest, "spec")
    yield from (f"no spec.{field}" for field in ("interval", "timeout") if field not in spec)
    for action in ("install", "upgrade"):
        if not {"remediation", "strategy"} & section(spec, action).keys():
            yield f"no spec.{action}.remediation or .strategy"


def _source(manifest: Manifest, bounds: Bounds) -> Iterator[str]:
    if group(manifest) != "source.toolkit.fluxcd.io":
        return
    if "interval" not in section(manifest, "spec"):
        yield "no spec.interval"


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        id="image-exact",
        demand="every image has an exact tag or a digest",
        why="`latest` and no tag mean another image at every pull: nothing can be reproduced or rolled back",
        remedy="write name:1.2.3 or name@sha256:…",
        check=_image_exact,
    ),
    Rule(
        id="image-allowed",
        demand="images come from the stack's own list of sources",
        why="an image runs with the pool's credentials nearby; a new source is a decision, not a typo",
        remedy="name it with its registry, and push it to the pool's own or pin it in components/versions.py",
        check=_image_allowed,
    ),
    Rule(
        id="resources-set",
        demand="every container requests cpu and memory and limits memory",
        why="the budget is a sum of requests: a container without them is not in it; limits of cpu only throttle",
        remedy="set resources.requests.cpu, resources.requests.memory and resources.limits.memory",
        check=_resources,
    ),
    Rule(
        id="non-root",
        demand="pods in ci run as a user other than root",
        why="builds run strangers' code; root in a container is one kernel bug from root on the machine",
        remedy="set securityContext.runAsNonRoot: true",
        check=_non_root,
    ),
    Rule(
        id="unprivileged",
        demand="containers in ci are not privileged and cannot become it",
        why="a privileged container is the machine",
        remedy="set privileged: false and allowPrivilegeEscalation: false",
        check=_unprivileged,
    ),
    Rule(
        id="host-apart",
        demand="pods in ci share nothing of the host: no hostPath, no host network, processes or IPC",
        why="what a build writes to the host outlives it and is seen by the next build",
        remedy="use emptyDir or a PersistentVolumeClaim",
        check=_host_apart,
    ),
    Rule(
        id="no-runtime-socket",
        demand="no pod mounts the socket of a container runtime",
        why="whoever talks to it is root on the machine; builds of images have rootless BuildKit",
        remedy="build images with buildctl and a rootless BuildKit",
        check=_no_runtime_socket,
    ),
    Rule(
        id="agent-job",
        demand="a Job in ci runs as ci-agent, and has no Secrets but those of agents, as files",
        why="whoever may create Jobs could otherwise read every Secret beside them: the API's tokens, Redis' users",
        remedy="take the Job from the template: serviceAccountName ci-agent, Secrets ci-agent-…",
        check=_agent_job,
    ),
    Rule(
        id="secret-encrypted",
        demand="Secrets in Git are encrypted by SOPS",
        why="Git never forgets: a readable password must be rotated even after it was removed",
        remedy="encrypt it (docs/secrets.md) and rotate what was readable",
        check=_encrypted,
        live=False,
    ),
    Rule(
        id="scaled-job-budget",
        demand="a ScaledJob starts no more agents than the budget has room for",
        why="more would be pods that stay Pending while KEDA believes that they work",
        remedy="take maxReplicaCount from `python -m components budget`",
        check=_within_budget,
    ),
    Rule(
        id="template-within-budget",
        demand="the template of the direct scaler asks for no more agents than the budget has room for",
        why="the controller makes as many Jobs as it says: more would be pods that stay Pending",
        remedy="take raibid.dev/max-agents from `python -m components budget`",
        check=_template_within_budget,
    ),
    Rule(
        id="data-kept",
        demand="Flux never deletes stored data: StatefulSets with volumes and claims are exempt from pruning",
        why="a file lost in a merge would delete the volume with it",
        remedy="annotate kustomize.toolkit.fluxcd.io/prune: disabled and retain the claims",
        check=_kept,
        live=False,
    ),
    Rule(
        id="kustomization-complete",
        demand="a Flux Kustomization says interval, retryInterval, timeout and prune",
        why="timeout is the interval when it is absent, so a failure would be seen after an hour",
        remedy="set spec.interval, spec.retryInterval, spec.timeout and spec.prune",
        check=_kustomization,
    ),
    Rule(
        id="helm-release-complete",
        demand="a HelmRelease says interval, timeout and what happens when install or upgrade fails",
        why="without a remediation or a strategy a failed upgrade stays where it failed",
        remedy="set spec.interval, spec.timeout, and remediation or strategy of spec.install and spec.upgrade",
        check=_helm_release,
    ),
    Rule(
        id="source-interval",
        demand="a Flux source says how often it looks",
        why="a HelmRepository without an interval may be fetched once and never again",
        remedy="set spec.interval",
        check=_source,
    ),
)


def rule(identifier: str) -> Rule:
    """The rule of that id."""
    return next(rule for rule in RULES if rule.id == identifier)
