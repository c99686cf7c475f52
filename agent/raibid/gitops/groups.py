"""API groups of the appliers and of what they read, as Flux and Argo CD define them.

Owns: the names.
Leaves to others: kinds (`owner/`, `watch/`).
"""

from __future__ import annotations

from typing import Final

KUSTOMIZE: Final = "kustomize.toolkit.fluxcd.io"
HELM: Final = "helm.toolkit.fluxcd.io"
SOURCE: Final = "source.toolkit.fluxcd.io"
GENERATORS: Final = "source.extensions.fluxcd.io"
"""Of the ArtifactGenerator."""
OPERATOR: Final = "fluxcd.controlplane.io"
"""Of the flux-operator's ResourceSet and FluxInstance."""
ARGOCD: Final = "argoproj.io"
