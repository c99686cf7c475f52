"""The Pulumi program: settings, the components that they ask for, what the stack exports.

`python -m components plan --stack S` runs this very file without an engine.
"""

from __future__ import annotations

import pulumi

from components import checkout, systems
from components.agent_image import AgentImage, AgentImageArgs
from components.flux_repo import FluxRepo, FluxRepoArgs
from components.image_context import build_context
from components.settings import from_pulumi

settings, secrets = from_pulumi()
emission = systems.emission(settings)

for entry in systems.entries(settings):
    if entry.component and entry.args:
        entry.component(entry.system.NAME, entry.args(settings=settings))

image = AgentImage(
    "agent-image",
    AgentImageArgs(settings=settings, context=build_context(checkout.ROOT), program=checkout.interpreter()),
)
fleet = FluxRepo(
    "fleet",
    FluxRepoArgs(
        settings=settings,
        emission=emission,
        stack=pulumi.get_stack(),
        version=checkout.version(),
        program=checkout.interpreter(),
        seed=secrets.seed,
        age_key=secrets.age_key,
        git_password=secrets.git_password,
    ),
)

pulumi.export("fleet", {"digest": emission.digest(), "revision": fleet.revision, "missing": fleet.missing})
pulumi.export("images", {"agent": image.agent, "api": image.api, "context": image.context_hash})
