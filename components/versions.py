"""Every version of everything this program installs, and why it is that one.

Owns: tags of images, versions of charts, of k3s and of tools. A digest is never written here: it
comes from stack config.
Leaves to others: where they are used (each system's file).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Pin:
    """One thing at one version."""

    where: str
    """Image repository, chart location or release project."""
    version: str
    why: str

    @property
    def reference(self) -> str:
        """`where:version`, as an image is named."""
        return f"{self.where}:{self.version}"

    def pinned(self, digest: str) -> str:
        """`where:version@digest`; without a digest, only the exact tag."""
        return f"{self.reference}@{digest}" if digest else self.reference


@dataclass(frozen=True)
class Chart:
    """A Helm chart that Flux installs."""

    repository: str
    """`oci://…/chart` (OCIRepository) or `https://…` (HelmRepository)."""
    name: str
    version: str
    why: str


KUBERNETES_MINOR: Final = "1.36"
K3S: Final = Pin("k3s-io/k3s", "v1.36.4+k3s1", "Flux 2.9 supports Kubernetes 1.34 to 1.36; 1.37 is outside its window")
K3S_RELEASES: Final = Pin(
    "https://github.com/k3s-io/k3s/releases/download", K3S.version, "the binaries beside their sha256sum-<arch>.txt"
)
FLUX: Final = "2.9.6"

PULUMI: Final = Pin("https://github.com/pulumi/pulumi/releases/download", "v3.272.0", "the SDK of uv.lock")
"""The CLI that `make preview` fetches where none is on PATH."""
PULUMI_COMMAND: Final = Pin("pulumi-resource-command", "1.2.1", "the SDK of uv.lock; all that a local stack needs")
PULUMI_KUBERNETES: Final = Pin("pulumi-resource-kubernetes", "4.34.2", "the SDK of uv.lock")

IMAGES: Final = {
    "redis": Pin(
        "docker.io/library/redis", "8.2.3", "official image: Bitnami's are frozen; its arm64 build runs on 64 KiB pages"
    ),
    "gitea": Pin(
        "docker.io/gitea/gitea", "1.27.0-rootless", "rootless, multi-arch; 1.27 moved ALLOWED_HOST_LIST to [security]"
    ),
    "postgres": Pin("docker.io/library/postgres", "17.6-alpine3.22", "official image; 17 is supported until 2029"),
    "registry": Pin("docker.io/library/registry", "3.0.0", "Gitea is no pull-through cache; the official image is"),
    "flux-operator": Pin(
        "ghcr.io/controlplaneio-fluxcd/flux-operator", "v0.58.1", "the FluxInstance API of the CRDs tested against"
    ),
}

CHARTS: Final = {
    "flux-operator": Chart(
        "oci://ghcr.io/controlplaneio-fluxcd/charts/flux-operator", "flux-operator", "0.58.1", "as its image"
    ),
    "keda": Chart(
        "https://kedacore.github.io/charts", "keda", "2.21.0", "2.20.0/1 refuse good ScaledJobs; no public OCI chart"
    ),
    "cert-manager": Chart(
        "oci://quay.io/jetstack/charts/cert-manager", "cert-manager", "v1.21.1", "the CRDs tested against"
    ),
    "trust-manager": Chart(
        "oci://quay.io/jetstack/charts/trust-manager", "trust-manager", "v0.20.2", "CA bundle in every namespace"
    ),
    "kube-prometheus-stack": Chart(
        "oci://ghcr.io/prometheus-community/charts/kube-prometheus-stack",
        "kube-prometheus-stack",
        "86.2.0",
        "the operator of the CRDs tested against",
    ),
    "nvidia-device-plugin": Chart(
        "https://nvidia.github.io/k8s-device-plugin",
        "nvidia-device-plugin",
        "0.19.0",
        "before 0.17.4 GB10's unified memory ends it",
    ),
}

BUILD: Final = {
    "rust": Pin("docker.io/library/rust", "1.95.0-slim-bookworm", "stable; slim, for the toolchain alone is 0.7 GB"),
    "debian": Pin("docker.io/library/debian", "12.12-slim", "what the rust image is made of: one Python for both"),
    "uv": Pin("ghcr.io/astral-sh/uv", "0.13.8", "the one that wrote uv.lock (.ci/uv.txt)"),
    "buildkit": Pin("docker.io/moby/buildkit", "v0.34.2-rootless", "only its buildctl: images are built elsewhere"),
}
"""Images that agent/Dockerfile starts from."""

CRATES: Final = {
    "cargo-nextest": Pin("crates.io", "0.9.151", "asks for Rust 1.91"),
    "cargo-audit": Pin("crates.io", "0.22.2", "asks for Rust 1.88"),
    "cargo-deny": Pin("crates.io", "0.20.2", "asks for Rust 1.88"),
}
"""What agent/Dockerfile compiles."""
