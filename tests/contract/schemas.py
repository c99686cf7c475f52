"""Schemas of everything the repository holds: Kubernetes' own and the published CRDs, unknown fields refused."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator

from components.manifest_tree import Manifest

CRDS: Final = Path(
    os.environ.get("RAIBID_CRDS") or Path(__file__).resolve().parent.parent.parent.parent / "shared" / "crds"
)


@cache
def schemas() -> dict[tuple[str, str], dict[str, Any]]:
    """(apiVersion, kind) → the CRD's schema, closed: what it does not name is refused."""
    found = {}
    for file in sorted(CRDS.rglob("*.yaml")):
        for crd in yaml.load_all(file.read_bytes(), yaml.CSafeLoader):
            group, kind = crd["spec"]["group"], crd["spec"]["names"]["kind"]
            for version in crd["spec"]["versions"]:
                schema = version["schema"]["openAPIV3Schema"]
                found[f"{group}/{version['name']}", kind] = closed(schema, root=True)
    return found


def closed(schema: Mapping[str, Any], *, root: bool = False) -> dict[str, Any]:
    """A structural schema (Kubernetes' dialect) as JSON Schema that refuses unknown fields."""
    result = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-") and key != "format"}
    if "properties" in schema:
        result["properties"] = {key: closed(value) for key, value in schema["properties"].items()}
        if root:
            # The API server's own: CRDs say only that metadata is an object.
            result["properties"]["metadata"] = {"type": "object"}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            result["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            result[key] = closed(schema[key])
    if schema.get("x-kubernetes-int-or-string"):
        result["type"] = ["integer", "string"]
        result.pop("anyOf", None)
    if schema.get("nullable"):
        result["type"] = [*([schema["type"]] if "type" in schema else []), "null"]
    return result


def problems(manifest: Manifest) -> Iterator[str]:
    """What the CRD of a custom resource says against it."""
    schema = schemas().get((manifest["apiVersion"], manifest["kind"]))
    if schema is None:
        yield f"no CRD of {manifest['apiVersion']} {manifest['kind']} in {CRDS.name}"
        return
    for error in Draft202012Validator(schema).iter_errors(manifest):
        yield f"{'.'.join(str(part) for part in error.absolute_path)}: {error.message}"


def is_native(manifest: Manifest) -> bool:
    """Whether Kubernetes itself knows the kind."""
    group = str(manifest["apiVersion"]).rpartition("/")[0]
    return "." not in group or group.endswith(".k8s.io")
