"""What can go wrong in the controller itself; Kubernetes' errors are `raibid.kube.errors`.

Owns: the room's one tree of errors.
"""

from __future__ import annotations


class ControllerError(Exception):
    """Root of the controller's errors."""


class TemplateError(ControllerError):
    """The CronJob that holds the agents' Job cannot be used as it is."""
