"""The rules as Pulumi policies, for what Pulumi itself applies to the cluster.

Owns: resource properties → manifest, the configuration of the bounds, protection of stored data.
Leaves to others: the rules (`rules`, `doctor`), serving the pack (`__main__`: its constructor never returns).
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, Final

from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)

from policies.doctor import EVERY_RULE
from policies.manifest import Manifest
from policies.rule import Bounds, Rule

_PREFIX: Final = "kubernetes:"
_BOUNDS: Final = PolicyConfigSchema(
    properties={
        "images": {"type": "string", "description": "Regular expression for the beginning of every image"},
        "mostAgents": {"type": "integer", "minimum": 0, "description": "maxReplicaCount of the budget"},
    }
)


def manifest_of(args: ResourceValidationArgs) -> Manifest | None:
    """A `kubernetes:*` resource as the object it becomes; None for other resources.

    "kubernetes:apps/v1:StatefulSet" says the version and the kind when the properties leave them out.
    """
    if not args.resource_type.startswith(_PREFIX):
        return None
    _, version, kind = args.resource_type.split(":", 2)
    version = version.removeprefix("core/")
    return {"apiVersion": version, "kind": posixpath.basename(kind), **args.props}


def bounds_of(config: Mapping[str, Any]) -> Bounds:
    """The bounds that the pack was configured with; what is not configured is not judged."""
    return Bounds(
        # The engine sends every number as a float.
        images=config.get("images"),
        most_agents=None if config.get("mostAgents") is None else int(config["mostAgents"]),
    )


def _policy(rule: Rule) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if (manifest := manifest_of(args)) is None:
            return
        for where in rule.check(manifest, bounds_of(args.get_config())):
            report(f"{where}; {rule.remedy}", None)

    return ResourceValidationPolicy(
        name=rule.id,
        description=f"{rule.demand}: {rule.why}",
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
        config_schema=_BOUNDS,
        remediation_steps=rule.remedy,
    )


def _protected(args: ResourceValidationArgs, report: ReportViolation) -> None:
    manifest = manifest_of(args) or {}
    stored = manifest.get("kind") == "PersistentVolumeClaim" or (
        manifest.get("kind") == "StatefulSet" and (manifest.get("spec") or {}).get("volumeClaimTemplates")
    )
    if stored and not args.opts.protect:
        report("not protected; pass ResourceOptions(protect=True)", None)


POLICIES: Final = [
    *(_policy(rule) for rule in EVERY_RULE if rule.live),
    ResourceValidationPolicy(
        name="data-protected",
        description="Stored data is protected: a rename in the program must not delete a volume",
        validate=_protected,
        enforcement_level=EnforcementLevel.MANDATORY,
        remediation_steps="pass ResourceOptions(protect=True)",
    ),
]
