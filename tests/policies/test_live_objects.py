"""What Pulumi itself would put into a cluster passes the pack, with the bounds of its own budget."""

from __future__ import annotations

import pytest
from pulumi_policy import PolicyCustomTimeouts, PolicyResourceOptions, ResourceValidationArgs

from components.admission import images_pattern
from components.engine.plan import plan
from components.settings import load_stack
from components.systems import budget_of
from policies.pack import POLICIES


@pytest.mark.parametrize("stack", ["local", "dev", "dgx-spark"])
def test_what_pulumi_applies_passes_the_pack(stack: str) -> None:
    settings = load_stack(stack)
    config = {"images": images_pattern(settings), "mostAgents": float(budget_of(settings).agents.maximum)}
    found: list[str] = []
    for resource in plan(stack).resources:
        options = PolicyResourceOptions(
            resource.protect, [], None, [], PolicyCustomTimeouts(0, 0, 0), additional_secret_outputs=[], parent=None
        )
        for policy in POLICIES:
            args = ResourceValidationArgs(
                resource.type, resource.inputs, resource.urn, resource.name, options, None, config
            )
            where = f"{resource.name}: {policy.name}"
            policy.validate(args, lambda message, _, where=where: found.append(f"{where}: {message}"))  # type: ignore[misc]
    assert found == []
