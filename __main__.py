"""The Pulumi program: settings, the components that they ask for, what the stack exports.

`python -m components plan --stack S` runs this very file without an engine.
"""

from __future__ import annotations

import pulumi

from components import checkout, readiness, systems
from components.agent_image import AgentImage, AgentImageArgs
from components.bootstrap import Bootstrap, BootstrapArgs
from components.flux import Flux, FluxArgs
from components.flux_repo import FluxRepo, FluxRepoArgs
from components.image.context import build_context
from components.k3s import TOKEN_LABEL, K3s, K3sArgs
from components.secret_values import derived
from components.settings import from_pulumi

with readiness.in_sentences():
    settings, secrets = from_pulumi()
    readiness.check(settings, secrets)
    proved = systems.budget_of(settings)
    emission = systems.emission(settings, proved)
python = checkout.interpreter()
for system, component, args in systems.flux_owned(settings):
    component(system.NAME, args(settings=settings))

k3s = first = None
if settings.cluster.kind == "k3s":
    token, ssh = derived(secrets.seed, settings, TOKEN_LABEL) if secrets.seed else None, secrets.ssh_private_key
    k3s = K3s("k3s", K3sArgs(settings=settings, kubelet=proved.kubelet, ssh_private_key=ssh, token=token))
    pulumi.export("kubeconfig", k3s.kubeconfig)
if settings.cluster.kind != "embedded":
    kubeconfig = k3s.kubeconfig if k3s else secrets.kubeconfig
    first_args = BootstrapArgs(settings=settings, secrets=secrets, kubeconfig=kubeconfig, machine=k3s, program=python)
    first = Bootstrap("bootstrap", first_args)

context, registry = build_context(checkout.ROOT), [first] if first else []
image = AgentImage("agent-image", AgentImageArgs(settings=settings, context=context, program=python, after=registry))

fleet_args = FluxRepoArgs(
    settings=settings,
    emission=emission,
    stack=pulumi.get_stack(),
    version=checkout.version(),
    program=python,
    url=first.repository if first else settings.fleet.url,
    username=first.username if first else "",
    seed=secrets.seed,
    age_key=secrets.age_key,
    git_password=first.password if first else secrets.git_password,
)
fleet = FluxRepo("fleet", fleet_args)
if first:
    after_push = pulumi.ResourceOptions.merge(first.objects, pulumi.ResourceOptions(depends_on=[fleet]))
    Flux("flux", FluxArgs(settings=settings, objects=after_push))

pulumi.export("fleet", {"digest": emission.digest(), "revision": fleet.revision, "missing": fleet.missing})
pulumi.export("images", {"agent": image.agent, "api": image.api, "context": image.context_hash})
