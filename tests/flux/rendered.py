"""A rendered tree, and the questions tests ask of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Any, Final

import yaml

from components import systems
from components.kustomize.applied import Applied, applied
from components.manifest_tree import Emission, Manifest, to_yaml
from components.settings import Settings

STACKS: Final = ("local", "dev", "dgx-spark")
FLUX: Final = "kustomize.toolkit.fluxcd.io/v1"


@dataclass(frozen=True)
class Rendered:
    settings: Settings
    emission: Emission

    @property
    def environment(self) -> str:
        return self.settings.environment

    @cached_property
    def files(self) -> dict[str, bytes]:
        """What a clone would hold; Secrets with made-up values in the place of ciphertext."""
        secrets = {path: to_yaml(item.manifest(str)) for path, item in self.emission.secrets.items()}
        return {**self.emission.seeds, **self.emission.files, **secrets}

    @cached_property
    def applied(self) -> list[Applied]:
        """Every object of the cluster, as Flux would apply it."""
        return applied(self.files, self.environment)

    @cached_property
    def stages(self) -> dict[str, Manifest]:
        """The Flux Kustomizations, by name, in the order in which they can be applied."""
        found = {item.manifest["metadata"]["name"]: item.manifest for item in self.applied if _is_stage(item.manifest)}
        after = {name: [on["name"] for on in stage["spec"].get("dependsOn", [])] for name, stage in found.items()}
        return {name: found[name] for name in TopologicalSorter(after).static_order()}

    @cached_property
    def variables(self) -> dict[str, str]:
        data: dict[str, str] = self.read(f"clusters/{self.environment}/cluster-vars.yaml")[0]["data"]
        return data

    def read(self, path: str) -> list[Any]:
        return list(yaml.safe_load_all(self.files[path]))

    def kustomization(self, directory: str) -> Mapping[str, Any]:
        result: Mapping[str, Any] = self.read(f"{directory}/kustomization.yaml")[0]
        return result

    def of_kind(self, kind: str) -> Iterator[Applied]:
        return (item for item in self.applied if item.manifest["kind"] == kind)

    def one(self, kind: str, name: str) -> Manifest:
        (found,) = [item.manifest for item in self.of_kind(kind) if item.manifest["metadata"]["name"] == name]
        return found

    @property
    def base(self) -> dict[str, bytes]:
        """What must be the same for every environment."""
        return {path: data for path, data in self.files.items() if path.startswith(("infrastructure/", "apps/base/"))}


def render(settings: Settings) -> Rendered:
    return Rendered(settings, systems.emission(settings))


def _is_stage(manifest: Manifest) -> bool:
    return (manifest["kind"], manifest["apiVersion"]) == ("Kustomization", FLUX)


def pods(manifest: Manifest) -> Iterator[Mapping[str, Any]]:
    """The pod specs in an object."""
    spec = manifest.get("spec", {})
    for holder in (spec, spec.get("jobTargetRef", {})):
        if "template" in holder and "spec" in holder["template"]:
            yield holder["template"]["spec"]
