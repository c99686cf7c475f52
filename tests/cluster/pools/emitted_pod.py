"""An emitted pod as a plain process: its arguments, its environment, its volumes as directories.

Owns: what a kubelet does for a container before it starts it, without the container.
Leaves to others: which objects there are (`emitted.py`), starting the process (`process.py`).

There is no cluster DNS around such a process: `addressed` puts addresses in the place of the names of Services.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

Manifest = Mapping[str, Any]
T = TypeVar("T")

_FEWEST_PARTS: Final = 3
"""`/var/lib` may lead to a mount and still be the machine's own; `/var/lib/raibid` is the pod's."""


@dataclass(frozen=True)
class Objects:
    """Objects of one namespace, by kind and name."""

    items: Mapping[tuple[str, str], Manifest]

    @classmethod
    def of(cls, manifests: Iterable[Manifest], namespace: str) -> Objects:
        """Those of `manifests` that lie in the namespace."""
        mine = (m for m in manifests if m["metadata"].get("namespace") == namespace)
        return cls({(m["kind"], m["metadata"]["name"]): m for m in mine})

    def one(self, kind: str, name: str) -> Manifest:
        """The object of that name."""
        return self.items[kind, name]

    def data(self, kind: str, name: str) -> dict[str, bytes]:
        """A Secret's or ConfigMap's entries; empty if there is none of that name."""
        found = self.items.get((kind, name), {})
        encoded = {key: base64.b64decode(value) for key, value in found.get("data", {}).items() if kind == "Secret"}
        plain = {**(found.get("data", {}) if kind == "ConfigMap" else {}), **found.get("stringData", {})}
        return {**encoded, **{key: str(value).encode() for key, value in plain.items()}}


def addressed(value: T, addresses: Mapping[str, str]) -> T:
    """The same with each name of `addresses` replaced in every string but images' names, which nobody looks up."""
    if isinstance(value, str):
        for name, address in addresses.items():
            value = value.replace(name, address)  # type: ignore[assignment]
        return value
    if isinstance(value, Mapping):
        return {  # type: ignore[return-value]
            key: item if key == "image" else addressed(item, addresses) for key, item in value.items()
        }
    if isinstance(value, list):
        return [addressed(item, addresses) for item in value]  # type: ignore[return-value]
    return value


@dataclass(frozen=True)
class Process:
    """What to start."""

    arguments: list[str]
    environment: dict[str, str]


def as_process(pod: Manifest, objects: Objects, directory: Path, claims: Path, *, name: str) -> Process:
    """The only container of a pod spec as a process, its volumes made in `directory` (and `claims`, which pods share).

    `name` is the pod's own, as the downward API tells it.
    """
    (container,) = pod["containers"]
    volumes = {v["name"]: _volume(v, objects, directory / "volumes", claims) for v in pod.get("volumes", ())}
    root, mounts = directory / "root", []
    for mount in sorted(container.get("volumeMounts", ()), key=lambda mount: str(mount["mountPath"])):
        mounts.append(mount["mountPath"])
        place, volume = root / mount["mountPath"].lstrip("/"), volumes[mount["name"]] / mount.get("subPath", "")
        volume.mkdir(parents=True, exist_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.is_symlink():
            place.symlink_to(volume)
    inside = _Inside.of(root, mounts)
    told = {key: value.decode() for source in container.get("envFrom", ()) for key, value in _source(source, objects)}
    for variable in container.get("env", ()):
        field = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        told[variable["name"]] = {"metadata.name": name}[field] if field else variable["value"]
    environment = {key: inside.path(value) for key, value in told.items()}
    return Process([inside.path(argument) for argument in container.get("args", ())], environment)


def _source(source: Manifest, objects: Objects) -> Iterable[tuple[str, bytes]]:
    if "configMapRef" in source:
        return objects.data("ConfigMap", source["configMapRef"]["name"]).items()
    return objects.data("Secret", source["secretRef"]["name"]).items()


def _volume(volume: Manifest, objects: Objects, own: Path, claims: Path) -> Path:
    """The directory of a volume, with its files."""
    if "persistentVolumeClaim" in volume:
        return claims / str(volume["persistentVolumeClaim"]["claimName"])
    place = own / str(volume["name"])
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file, content in _files(volume, objects):
        (place / file).touch(mode=0o600)
        (place / file).write_bytes(content)
    return place


def _files(volume: Manifest, objects: Objects) -> Iterable[tuple[str, bytes]]:
    if "projected" in volume:
        for source in volume["projected"]["sources"]:
            if "secret" in source:
                yield from _chosen(objects.data("Secret", source["secret"]["name"]), source["secret"].get("items"))
    elif "secret" in volume:
        yield from _chosen(objects.data("Secret", volume["secret"]["secretName"]), volume["secret"].get("items"))
    elif "configMap" in volume:
        yield from _chosen(objects.data("ConfigMap", volume["configMap"]["name"]), volume["configMap"].get("items"))


def _chosen(data: Mapping[str, bytes], items: Iterable[Manifest] | None) -> Iterable[tuple[str, bytes]]:
    if items is None:
        return data.items()
    return [(item["path"], data[item["key"]]) for item in items if item["key"] in data]


@dataclass(frozen=True)
class _Inside:
    """Paths of the container → paths below its root."""

    root: Path
    known: re.Pattern[str]

    @classmethod
    def of(cls, root: Path, mounts: Iterable[str]) -> _Inside:
        # A mount deep in a directory makes the directory the pod's own: agents have /var/lib/raibid/artifacts only.
        paths = {str(path) for mount in mounts for path in (Path(mount), *Path(mount).parents) if path != path.parent}
        kept = [path for path in paths if len(Path(path).parts) > _FEWEST_PARTS or path in mounts]
        longest_first = "|".join(map(re.escape, sorted(kept, key=len, reverse=True)))
        return cls(root, re.compile(rf"(?:{longest_first or '(?!)'})(?=/|$)"))

    def path(self, text: str) -> str:
        """One pass, so that what was replaced is not looked at again: the root itself may lie below a mount's path."""
        return self.known.sub(lambda match: f"{self.root}{match[0]}", text)
