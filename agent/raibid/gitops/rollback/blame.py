"""What Flux's words say of who is to blame: a commit of the path, or something outside of it.

Owns: the reasons and messages of kustomize-controller 1.9, Go's network and the API server that no revert ends.
Leaves to others: what follows from it (`decide.py`).

In doubt something outside is to blame: then nothing is reverted.
"""

from __future__ import annotations

import re
from typing import Final

from raibid.gitops.objects import Condition

FAILED: Final = frozenset({"HealthCheckFailed", "BuildFailed", "ReconciliationFailed", "PruneFailed"})
"""Reasons that may come from a commit."""
_REASONS: Final = {
    "DependencyNotReady": "it waits for what it depends on",
    "ArtifactFailed": "its source has no artifact for it",
    "FetchFailed": "its source cannot be fetched",
    "HealthCheckCanceled": "its health check gave way to a newer commit",
    "AccessDenied": "it may not read its source",
    "InvalidCELExpression": "its own spec is wrong, and that is not in the path that it applies",
    "FeatureGateDisabled": "its own spec asks for what the controller does not do",
}
# The words of kustomize-controller's internal/decryptor: "cannot get sops data key", "error decrypting sops tree",
# "failed to verify sops data integrity", "cannot get sops decryption Secret", "failed to load encrypted YAML data",
# and "is SOPS encrypted, configuring decryption is required".
_KEYS: Final = re.compile(r"\bsops\b|decrypt|encrypted|\bdata key\b", re.IGNORECASE)
# fluxcd/pkg, kustomize/varsub.go: a ConfigMap or Secret of `substituteFrom`, which another applier brings.
_VARIABLES: Final = re.compile(r"substitute from '(?:ConfigMap|Secret)/")
# fluxcd/pkg, runtime/client/impersonation.go.
_ACCESS: Final = re.compile(r"KubeConfig secret|failed to build kube client|\bUnauthorized\b", re.IGNORECASE)
# Go's net and context packages, client-go, and the API server about a webhook, its own store or its load.
_UNREACHABLE: Final = re.compile(
    r"dial tcp|connection refused|connection reset|no such host|no route to host|network is unreachable|broken pipe"
    r"|i/o timeout|TLS handshake timeout|x509:|unexpected EOF|http2: |net/http: |context deadline exceeded"
    r"|client rate limiter|Timeout: request did not complete|etcdserver:|fail\w+ (?:calling|to call) webhook"
    r"|InternalError|Internal error occurred|ServiceUnavailable|server is currently unable|too many requests"
    r"|no space left on device",
    re.IGNORECASE,
)
# fluxcd/pkg, ssa/manager_wait.go: "timeout waiting for: [Deployment/ci/web status: 'InProgress', …]", "failed early due
# to stalled resources: […]". No name holds a space or a quote.
_WAITED_FOR: Final = re.compile(r"(?:\[|, )(\w+)/[^\s']+ status: '")
_HELM: Final = frozenset({"HelmRelease"})
_FLUX: Final = _HELM | {
    *("Kustomization", "GitRepository", "OCIRepository", "HelmRepository", "HelmChart", "Bucket", "ExternalArtifact"),
    *("ArtifactGenerator", "ResourceSet", "ResourceSetInputProvider", "FluxInstance", "ImageRepository"),
}


def reason_outside(reason: str) -> str:
    """Why a condition's reason speaks of no commit; empty: it may."""
    return f"{reason}: {_REASONS[reason]}" if reason in _REASONS else ""


def outside(ready: Condition) -> str:
    """Why a failure's message speaks of no commit of the path; empty: it may."""
    kinds = _waited_for(ready)
    if kinds and kinds <= _FLUX and kinds != _HELM:
        return f"it only waits for {', '.join(sorted(kinds))}: what ails that is decided where it fails itself"
    if kinds:
        return ""  # the health check names objects, whatever they are called
    if _KEYS.search(ready.message):
        return "it cannot decrypt: the key is missing or was changed, and no commit brings it back"
    if _VARIABLES.search(ready.message):
        return "what its variables come from cannot be read, and that is not in the path that it applies"
    if _ACCESS.search(ready.message):
        return "it does not get into its cluster"
    if _UNREACHABLE.search(ready.message):
        return "something that it needs cannot be reached"
    return ""


def helm_only(ready: Condition | None) -> bool:
    """Whether HelmReleases alone keep a health check waiting: Helm may have gone back, or their chart be away."""
    return ready is not None and _waited_for(ready) == _HELM


def _waited_for(ready: Condition) -> frozenset[str]:
    """Kinds of the objects for which a health check waited in vain."""
    return frozenset(_WAITED_FOR.findall(ready.message)) if ready.reason == "HealthCheckFailed" else frozenset()
