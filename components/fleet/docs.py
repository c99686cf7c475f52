"""What the Flux repository says of itself: README, four guides, what Flux leaves out, the gate of pull requests.

Owns: the words about each stage and path, where the model's tables go in the texts (`fleet/texts/`).
Leaves to others: the stages themselves (`flux_stages`), Secrets' rules (`sops`), the manifests (each system's file).

Environment-free, as everything outside clusters/<env> is: all stacks write the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components import flux_stages
from components.manifest_tree import Tree
from components.settings import Settings

OWNER: Final = "fleet-docs"
_TEXTS: Final = Path(__file__).parent / "texts"


@dataclass(frozen=True)
class Told:
    """A stage in words."""

    what: str
    look: str
    """What to look at when it is not Ready."""


STAGES: Final[Mapping[str, Told]] = {
    "infra-namespaces": Told("namespaces, quotas, limits, Pod Security levels", "`kubectl get resourcequota -A`"),
    "infra-controllers": Told("cert-manager, KEDA, monitoring, the GPU's plugin", "`kubectl get helmreleases -A`"),
    "infra-policies": Told(
        "admission policies, the rights of developers' commits", "`kubectl get validatingadmissionpolicies`"
    ),
    "infra-data": Told("Redis and its storage", "`kubectl -n infrastructure get pods,pvc`: is the volume bound?"),
    "infra-configs": Told(
        "what the controllers act upon: certificates, DNS names, notifications, rules, dashboards",
        "`kubectl get certificates -A`; `kubectl -n flux-system get alerts,receivers`",
    ),
    "raibid": Told(
        "the webhook and job API, the controller beside it",
        "`kubectl -n ci logs deploy/raibid-api`, `… deploy/raibid-controller`",
    ),
    "ci-agents": Told(
        "what agents need, and what starts them: a ScaledJob, or the template that `raibid-controller` makes Jobs of",
        "`kubectl -n ci describe scaledjobs`, or `… cronjobs` without KEDA; `raibid scaler doctor`",
    ),
    "apps": Told("what developers deploy", "the author's commit; `kubectl -n apps get events,resourcequota`"),
}
"""By the name of the Flux Kustomization."""

_PATHS: Final[Mapping[str, tuple[str, str]]] = {
    "clusters/<env>/": ("the entry of one cluster: stages, values, which systems it has", "the program"),
    "infrastructure/": ("systems of the cluster, the same bytes for every environment", "the program"),
    "apps/base/": ("the pool's own API and controller", "the program"),
    "apps/<env>/": ("**your manifests**; seeded once, never written again", "you"),
    "clusters/<env>/apps/enrolment.yaml": ("which repositories the pool builds; seeded once", "you"),
    "clusters/<env>/apps/mirrors.yaml": ("which repositories Gitea mirrors; seeded once", "you"),
    "host/": ("files of the machine (k3s, kubelet, sysctl), applied over SSH, not by Flux", "the program"),
    ".gitea/": ("the gate of pull requests", "the program"),
}


def tree(settings: Settings) -> Tree:
    """The repository's own documentation and gate."""
    del settings  # nothing here differs between stacks
    texts = {
        name: _text(name) for name in ("README.md", *(f"docs/{file.name}" for file in (_TEXTS / "docs").iterdir()))
    }
    return Tree(
        OWNER,
        files={
            **dict(sorted(texts.items())),
            ".sourceignore": _text("sourceignore"),
            ".gitea/workflows/validate.yaml": (_TEXTS / "validate.yaml").read_text(encoding="utf-8"),
            ".gitea/validate.sh": (_TEXTS / "validate.sh").read_text(encoding="utf-8"),
        },
    )


def _text(name: str) -> str:
    """A text with the model's tables in it. Not `str.format`: the texts hold braces of their own."""
    text = (_TEXTS / name).read_text(encoding="utf-8")
    for placeholder, value in _tables().items():
        text = text.replace(f"{{{placeholder}}}", value)
    return text


def _tables() -> Mapping[str, str]:
    kustomizations = [
        item
        for chain in flux_stages.chains(
            "<env>", [base for stage in flux_stages.STAGES for base in stage.bases]
        ).values()
        for item in chain
    ]
    stages = {item["metadata"]["name"]: item["spec"] for item in kustomizations}
    return {
        "paths": "\n".join(f"| `{path}` | {what} | {whose} |" for path, (what, whose) in _PATHS.items()),
        "stages_graph": "\n".join(
            f"    {before['name']} --> {name}" for name, spec in stages.items() for before in spec.get("dependsOn", [])
        ),
        "stages": "\n".join(
            f"| {name} | {STAGES[name].what} | `{spec['path'].removeprefix('./')}` | {spec['timeout']} |"
            for name, spec in stages.items()
        ),
        "looks": "\n".join(f"| {name} | {STAGES[name].look} |" for name in stages),
        "placeholder": "${name}",
    }
