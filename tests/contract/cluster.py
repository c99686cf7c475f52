"""A rendered stack, for the contract tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from components.kustomize.applied import Applied, applied
from components.manifest_tree import Emission, Manifest, to_yaml
from components.settings import Settings, load_stack
from components.systems import emission

STACKS: Final = ("local", "dev", "dgx-spark")
DIRECT: Final = "dgx-spark-direct"
"""The real machine without KEDA: the same stack, `scaler: direct`."""
LIVE_SECRETS: Final = {("flux-system", name) for name in ("sops-age", "fleet-git", "webhook-token", "gitea-token")}
"""What Pulumi keeps in the cluster: the age key, and credentials that exist only once Gitea does."""
SEALED: Final = "ENC[AES256_GCM,data:c2VhbGVk,iv:aXY=,tag:dGFn,type:str]"


@dataclass(frozen=True)
class Cluster:
    """One stack's repository and the objects that Flux makes of it."""

    settings: Settings
    emission: Emission
    files: dict[str, bytes]
    objects: list[Applied]

    @classmethod
    def of(cls, settings: Settings) -> Cluster:
        """Rendered, with Secrets as the encrypting step leaves them: keys readable, values not."""
        whole = emission(settings)
        sealed = {}
        for path, secret in whole.secrets.items():
            plain = dict(secret.manifest(lambda label: f"plain {label}"))
            plain["stringData"] = dict.fromkeys(plain["stringData"], SEALED)
            sealed[path] = to_yaml({**plain, "sops": {"version": "3.13.3"}})
        files = {
            path: data for path, data in {**whole.files, **whole.seeds, **sealed}.items() if path.endswith(".yaml")
        }
        return cls(settings, whole, files, applied(files, settings.environment))

    def of_kind(self, kind: str, group: str = "") -> list[Manifest]:
        """Objects of a kind; `group` tells Flux's Kustomization from others."""
        return [
            item.manifest
            for item in self.objects
            if item.manifest["kind"] == kind and str(item.manifest["apiVersion"]).startswith(group)
        ]

    def stages(self) -> dict[str, Manifest]:
        """Flux Kustomizations by name."""
        return {item["metadata"]["name"]: item for item in self.of_kind("Kustomization", "kustomize.toolkit")}


def settings_of(stack: str) -> Settings:
    """A stack of the checkout, or one of them changed."""
    if stack == DIRECT:
        return load_stack("dgx-spark").model_copy(update={"scaler": "direct"})
    return load_stack(stack)


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its path: `spec.template.spec.containers[0].image`."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, f"{path}[{index}]")


def identity(manifest: Manifest) -> str:
    """`Kind namespace/name`, for messages."""
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
