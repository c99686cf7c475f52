"""What can go wrong with Kubernetes: one root; the client's own errors never leave a seam.

Owns: the tree.
"""

from __future__ import annotations


class KubeError(Exception):
    """The API server said no, or answered what cannot be understood."""


class KubeUnavailableError(KubeError):
    """The API server cannot be reached, does not answer in time, or has forgotten where a watch was. Try again."""


class KubeRefusedError(KubeError):
    """Not allowed: a credential is missing or wrong, or the Role lacks a right."""


class KubeNotFoundError(KubeError):
    """No such object, or no such kind."""


class KubeConflictError(KubeError):
    """An object of that name is there already, or somebody else owns the field."""


class KubeInvalidError(KubeError):
    """The API server, or an admission policy, does not take the object as it is."""


class KubeConfigError(KubeError):
    """Neither a service account nor a usable kubeconfig."""
