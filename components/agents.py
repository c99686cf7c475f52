"""CI agents: what all of them share, whoever starts them.

Owns: their account, their network, their credentials, the shared cache, the size of one agent in this environment.
Leaves to others: the pod (`agent_pod`), who starts how many (`scaled_job` with KEDA, `job_template` without it), how
many fit and how large they are (`budget`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pulumi import ComponentResource, ResourceOptions
from raibid.contract import TEXT_TWIN, AclUser, Secrets

from components import agent_pod, api, gitea_config, redis
from components.agent_pod import CACHE_CLAIM, NAMESPACE
from components.budget import Budget, Footprint
from components.manifest_tree import Derive, Manifest, SecretManifest, Tree, emit
from components.network import DNS, INTERNET, network_policy, pods, to_peers
from components.settings import Settings
from components.units import cores_text, size_text
from components.workload import as_text, service_account, volume_claim

NAME: Final = agent_pod.NAME
FLOWS: Final = (
    ("redis", "claim, log, finish"),
    ("gitea", "clone"),
)
"""Whom they talk to, and about what: `components graph` draws it."""
DIRECTORY: Final = "infrastructure/agents/ci-agent"
GIT_USER: Final = "ci-agent"
"""Clones at the stack's own Gitea: `gitea_setup` makes it and lets it read."""
GIT_LABEL: Final = "gitea/agent"
MOST: Final = "ci_agent_max"
"""Variable: how many agents the budget has room for."""


def footprint(settings: Settings) -> Footprint:
    """Nothing of its own: agents are what the budget leaves, once everything else has its share."""
    return Footprint(NAME, ())


def manifests(settings: Settings) -> Tree:
    """Files of the Flux repository."""
    return Tree(
        NAME,
        {
            DIRECTORY: [
                # Bound to nothing and its token mounted nowhere: a build has no business with the API server.
                service_account(NAME, NAMESPACE, NAME),
                # One volume for all agents of a node: cargo locks its registry itself. ReadWriteOnce means one node,
                # not one pod; on several nodes it holds all agents on the first, unless the class has ReadWriteMany.
                volume_claim(CACHE_CLAIM, NAMESPACE, NAME, "${ci_agent_cache}"),
                _network_policy(),
                SecretManifest(NAMESPACE, Secrets.REDIS_AGENT, redis.credentials(AclUser.AGENT)),
                SecretManifest(NAMESPACE, Secrets.AGENT_GITEA, _git_credentials),
            ]
        },
    )


def variables(settings: Settings, budget: Budget) -> dict[str, str]:
    """Values of this environment for `${…}` in the files above, in the pod's and in those of both scalers."""
    agents = budget.agents
    return {
        MOST: str(agents.maximum),
        f"{MOST}{TEXT_TWIN}": as_text(agents.maximum),
        "ci_agent_warm": str(agents.warm),
        f"ci_agent_warm{TEXT_TWIN}": as_text(agents.warm),
        "ci_agent_cpu": cores_text(agents.cpu),
        "ci_agent_cpu_limit": cores_text(agents.cpu_limit or agents.cpu),
        "ci_agent_memory": size_text(agents.memory),
        "ci_agent_memory_limit": size_text(agents.memory_limit or agents.memory),
        "ci_agent_scratch": size_text(agents.scratch),
        "ci_agent_cache": size_text(agents.cache),
        "ci_agent_forge": gitea_config.address(settings),
    }


def _network_policy() -> Manifest:
    # Nobody calls an agent. It calls Redis and the forge, the API, and what its builds fetch from the outside.
    return network_policy(
        NAME,
        NAMESPACE,
        NAME,
        ingress=(),
        egress=(
            DNS,
            to_peers(pods(redis.NAMESPACE, redis.NAME), ports=(redis.PORT,)),
            to_peers(pods("infrastructure", "gitea"), ports=(gitea_config.HTTP_PORT, gitea_config.SSH_PORT)),
            to_peers(pods(NAMESPACE, api.NAME), ports=(api.PORT,)),
            to_peers(INTERNET, ports=(443,)),
        ),
    )


def _git_credentials(derive: Derive) -> Mapping[str, str]:
    # Flux decrypts before it substitutes (kustomize-controller, `build`), so a Secret too may ask for a value. The
    # host is the one of clone URLs, which follow Gitea's ROOT_URL: credentials are offered to that host only.
    return {"credentials": f"http://{GIT_USER}:{derive(GIT_LABEL)}@${{ci_agent_forge}}\n"}


@dataclass(frozen=True, kw_only=True)
class AgentsArgs:
    """What the component needs."""

    settings: Settings


class Agents(ComponentResource):
    """The agents in the stack's graph: Flux owns their objects, the stack shows which of its files change."""

    def __init__(self, name: str, args: AgentsArgs, opts: ResourceOptions | None = None) -> None:
        files = emit([manifests(args.settings)]).digests()
        super().__init__("raibid:components:Agents", name, {"files": files}, opts)
        self.register_outputs({})
