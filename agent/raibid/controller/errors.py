"""What can go wrong in the controller: one root; the Kubernetes client's errors never leave `kube.py`."""

from __future__ import annotations


class ControllerError(Exception):
    """Root of the controller's errors."""


class KubeError(ControllerError):
    """The API server said no, or answered what cannot be understood."""


class KubeUnavailableError(KubeError):
    """The API server cannot be reached, does not answer in time, or has forgotten where a watch was. Try again."""


class KubeRefusedError(KubeError):
    """Not allowed: a credential is missing or wrong, or the Role lacks a right."""


class KubeNotFoundError(KubeError):
    """No such object."""


class KubeConflictError(KubeError):
    """An object of that name is there already."""


class KubeConfigError(ControllerError):
    """Neither a service account nor a usable kubeconfig."""


class TemplateError(ControllerError):
    """The CronJob that holds the agents' Job cannot be used as it is."""
