"""`${var}`: values that Flux puts in after kustomize, and the files that hold them."""

from __future__ import annotations

from dataclasses import dataclass

from raibid.gitops.objects import Ref


@dataclass(frozen=True)
class VariableSource:
    """One of a Kustomization's `postBuild.substituteFrom`, in its order: the last that has a variable wins."""

    ref: Ref
    """The ConfigMap or Secret."""
    keys: frozenset[str] = frozenset()
    """The variables that it has in the cluster; only what its file says counts if empty."""
    entry: str = ""
    """Directory by which its file is found: `path` of the Kustomization that applies it."""
