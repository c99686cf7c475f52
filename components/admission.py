"""Admission policies: the API server's own CEL refuses what the rules refuse in Git.

ValidatingAdmissionPolicy needs no pod and no webhook: on one node, a webhook that is down would block Flux itself.

Owns: CEL twins of `policies.rules`, which namespaces they hold for, the stack's list of image sources.
Leaves to others: messages and reasons (`policies.rules`), Pod Security labels and quotas (`namespaces`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pulumi import ComponentResource, ResourceOptions
from raibid.contract import Annotations

from components import agents
from components.budget import Budget, Footprint
from components.gitea_config import host
from components.manifest_tree import Manifest, Tree, emit
from components.namespaces import POD_SECURITY
from components.settings import Settings
from components.versions import IMAGES as PINNED
from components.workload import metadata
from policies.rule import AGENTS
from policies.rules import AGENT, rule

NAME: Final = "admission"
FLOWS: Final = ()
DIRECTORY: Final = "infrastructure/policies"
IMAGES: Final = "admission_images"
"""Variable: the regular expression that images begin with."""

WORKLOADS: Final = ("infrastructure", "ci", "apps")
"""Namespaces whose pods are judged. Named one by one, for a cluster may hold other teams' work. Not those of pods that
charts define: the chart's version pins them, and refusing a chart's hook Job would leave its HelmRelease in the middle
of an upgrade."""

_POD_SPEC: Final = """\
object.kind == 'Pod' ? object.spec
  : object.kind == 'CronJob' ? object.spec.jobTemplate.spec.template.spec
  : object.kind == 'ScaledJob' ? object.spec.jobTargetRef.template.spec
  : object.spec.template.spec
"""
_CONTAINERS: Final = """\
variables.pod.containers + (has(variables.pod.initContainers) ? variables.pod.initContainers : [])
"""
_VOLUMES: Final = """\
has(variables.pod.volumes) ? variables.pod.volumes : []
"""

# Flux replaces `${…}` in the text of the file; a block scalar and a pattern without quotes survive whatever it holds.
_EXPRESSIONS: Final[Mapping[str, str]] = {
    "image-exact": """\
variables.containers.all(c, c.image.matches('(:[0-9A-Za-z_][0-9A-Za-z_.-]*|@sha256:[0-9a-f]{64})$')
  && !c.image.endsWith(':latest'))
""",
    "image-allowed": f"""\
variables.containers.all(c, c.image.matches('^(${{{IMAGES}}})'))
""",
    "resources-set": """\
variables.containers.all(c, has(c.resources)
  && has(c.resources.requests) && 'cpu' in c.resources.requests && 'memory' in c.resources.requests
  && has(c.resources.limits) && 'memory' in c.resources.limits)
""",
    "non-root": """\
variables.containers.all(c,
  has(c.securityContext) && has(c.securityContext.runAsNonRoot)
    ? c.securityContext.runAsNonRoot
    : has(variables.pod.securityContext) && has(variables.pod.securityContext.runAsNonRoot)
      && variables.pod.securityContext.runAsNonRoot)
""",
    "unprivileged": """\
variables.containers.all(c, has(c.securityContext)
  && !(has(c.securityContext.privileged) && c.securityContext.privileged)
  && has(c.securityContext.allowPrivilegeEscalation) && !c.securityContext.allowPrivilegeEscalation)
""",
    "host-apart": """\
variables.volumes.all(v, !has(v.hostPath))
  && !(has(variables.pod.hostNetwork) && variables.pod.hostNetwork)
  && !(has(variables.pod.hostPID) && variables.pod.hostPID)
  && !(has(variables.pod.hostIPC) && variables.pod.hostIPC)
""",
    "no-runtime-socket": """\
variables.volumes.all(v, !has(v.hostPath) || !(v.hostPath.path.endsWith('docker.sock')
  || v.hostPath.path.endsWith('containerd.sock') || v.hostPath.path.endsWith('crio.sock')))
""",
    "agent-job": f"""\
has(variables.pod.serviceAccountName) && variables.pod.serviceAccountName == '{AGENT}'
  && variables.volumes.all(v, (!has(v.secret) || v.secret.secretName.startsWith('{AGENT}-'))
    && (!has(v.projected) || v.projected.sources.all(s, !has(s.secret) || s.secret.name.startsWith('{AGENT}-'))))
  && variables.containers.all(c, !has(c.envFrom)
    && (!has(c.env) || c.env.all(e, !has(e.valueFrom) || !has(e.valueFrom.secretKeyRef))))
""",
    "scaled-job-budget": f"""\
has(object.spec.maxReplicaCount) && object.spec.maxReplicaCount <= ${{{agents.MOST}}}
""",
    "template-within-budget": f"""\
!has(object.metadata.annotations) || !('{Annotations.MAX_AGENTS}' in object.metadata.annotations)
  || (object.metadata.annotations['{Annotations.MAX_AGENTS}'].matches('^[0-9]{{1,4}}$')
    && int(object.metadata.annotations['{Annotations.MAX_AGENTS}']) <= ${{{agents.MOST}}})
""",
    "kustomization-complete": """\
has(object.spec.interval) && has(object.spec.retryInterval) && has(object.spec.timeout) && has(object.spec.prune)
""",
    "helm-release-complete": """\
has(object.spec.interval) && has(object.spec.timeout)
  && has(object.spec.install) && (has(object.spec.install.remediation) || has(object.spec.install.strategy))
  && has(object.spec.upgrade) && (has(object.spec.upgrade.remediation) || has(object.spec.upgrade.strategy))
""",
}
"""Rule → CEL that is true of a good object."""


def _resources(group: str, *plural: str, on: Sequence[str] = ("CREATE", "UPDATE")) -> Manifest:
    return {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": list(on),
        "resources": list(plural),
    }


_PODS: Final = (
    # Not UPDATE: a pod from before the policy could then never lose its Job's finalizer.
    _resources("", "pods", on=("CREATE",)),
    _resources("apps", "deployments", "statefulsets", "daemonsets", "replicasets"),
    _resources("batch", "jobs", "cronjobs"),
    _resources("keda.sh", "scaledjobs"),
)
_NAMESPACE: Final = "kubernetes.io/metadata.name"


@dataclass(frozen=True, kw_only=True)
class _Policy:
    """Rules that hold for the same objects of the same namespaces: one policy and its binding."""

    name: str
    rules: Sequence[str]
    resources: Sequence[Manifest]
    namespaces: Mapping[str, Any]
    pods: bool = False
    conditions: Sequence[Manifest] = ()


def _in(*names: str) -> Manifest:
    return {"matchExpressions": [{"key": _NAMESPACE, "operator": "In", "values": list(names)}]}


POLICIES: Final = (
    _Policy(
        name="raibid-workloads",
        rules=("image-exact", "image-allowed", "resources-set", "no-runtime-socket"),
        resources=_PODS,
        namespaces=_in(*WORKLOADS),
        pods=True,
    ),
    _Policy(
        name="raibid-agents",
        rules=("non-root", "unprivileged", "host-apart"),
        resources=_PODS,
        namespaces=_in(AGENTS),
        pods=True,
    ),
    _Policy(
        name="raibid-agent-jobs",
        rules=("agent-job",),
        # Not UPDATE: a Job's template never changes, and one from before the policy must lose its finalizers.
        resources=(_resources("batch", "jobs", on=("CREATE",)),),
        namespaces=_in(AGENTS),
        pods=True,
    ),
    _Policy(
        name="raibid-scaling",
        rules=("scaled-job-budget",),
        resources=(_resources("keda.sh", "scaledjobs"),),
        namespaces=_in(*POD_SECURITY),
    ),
    _Policy(
        name="raibid-templates",
        rules=("template-within-budget",),
        resources=(_resources("batch", "cronjobs"),),
        namespaces=_in(AGENTS),
    ),
    _Policy(
        name="raibid-kustomizations",
        rules=("kustomization-complete",),
        resources=(_resources("kustomize.toolkit.fluxcd.io", "kustomizations"),),
        namespaces=_in(*POD_SECURITY),
        # The operator writes this one; refusing it would cut the cluster off from its repository.
        conditions=(
            {
                "name": "not-the-root",
                "expression": "!(object.metadata.name == 'flux-system' && object.metadata.namespace == 'flux-system')",
            },
        ),
    ),
    _Policy(
        name="raibid-helm-releases",
        rules=("helm-release-complete",),
        resources=(_resources("helm.toolkit.fluxcd.io", "helmreleases"),),
        namespaces=_in(*POD_SECURITY),
    ),
)


def footprint(settings: Settings) -> Footprint:
    """Nothing: the API server evaluates the policies itself."""
    return Footprint(NAME, ())


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    return Tree(NAME, {DIRECTORY: [item for policy in POLICIES for item in (_policy(policy), _binding(policy))]})


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Values of this environment for `${…}` in the files above."""
    return {IMAGES: images_pattern(settings)}


def images_pattern(settings: Settings) -> str:
    """What an image may begin with: a pinned repository, the pool's own registry, where the stack pushes its images."""
    pinned = sorted(f"{pin.where}[:@]" for pin in PINNED.values())
    forge = host(settings)
    pushed = {image.repository.rpartition("/")[0] for image in (settings.images.agent, settings.images.api)}
    own = sorted({f"{forge}(:[0-9]+)?/", *(f"{place}/" for place in pushed if place.partition("/")[0] != forge)})
    # [.] rather than an escape: a backslash would need another one in CEL, and YAML may quote either.
    return "|".join(text.replace(".", "[.]") for text in (*pinned, *own))


def _policy(policy: _Policy) -> Manifest:
    named = {"pod": _POD_SPEC, "containers": _CONTAINERS, "volumes": _VOLUMES} if policy.pods else {}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata(policy.name, None, NAME),
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": list(policy.resources),
                "namespaceSelector": dict(policy.namespaces),
            },
            **({"matchConditions": list(policy.conditions)} if policy.conditions else {}),
            **({"variables": [{"name": k, "expression": v} for k, v in named.items()]} if named else {}),
            "validations": [
                {"expression": _EXPRESSIONS[name], "message": f"{name}: {rule(name).message}", "reason": "Invalid"}
                for name in policy.rules
            ],
        },
    }


def _binding(policy: _Policy) -> Manifest:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": metadata(policy.name, None, NAME),
        "spec": {"policyName": policy.name, "validationActions": ["Deny"]},
    }


@dataclass(frozen=True, kw_only=True)
class AdmissionArgs:
    """What the component needs."""

    settings: Settings


class Admission(ComponentResource):
    """Admission policies in the stack's graph: Flux owns the objects, the stack shows which of the files change."""

    def __init__(self, name: str, args: AdmissionArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Admission", name, {"files": files}, opts)
        self.register_outputs({"policies": [policy.name for policy in POLICIES]})
