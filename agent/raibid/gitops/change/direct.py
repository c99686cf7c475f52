"""A change of an object that nobody applies from Git: server-side apply of just that.

Owns: what is applied, as whom, and what would be different.
Leaves to others: that nobody owns it (`target.py`), asking the person (`raibid.cli`).
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ruamel.yaml import YAML

from raibid.gitops.change.manifests import described, only, with_values
from raibid.gitops.change.trial import Trial, tried
from raibid.gitops.cluster import Cluster
from raibid.gitops.objects import Manifest, Ref, mapping, ref_of

MANAGER: Final = "raibid"
_HIDDEN: Final = "(hidden)"


@dataclass(frozen=True, kw_only=True)
class Direct:
    """What is applied, and the difference that makes; an empty one: none."""

    about: Ref
    manifest: Manifest
    diff: str
    trial: Trial


def direct_values(cluster: Cluster, live: Manifest, values: Mapping[str, object]) -> Direct:
    """Other values in some fields of a live object. Raises NotEditableError, KubeError."""
    before, wanted = described(live), only(live, values)
    after = with_values(before, values)
    return _compared(cluster, ref_of(live), before, after, wanted)


def direct_manifest(cluster: Cluster, ref: Ref, live: Manifest | None, manifest: Manifest) -> Direct:
    """A manifest as it is; `live`: the object that is there. Raises KubeError."""
    before = described(live) if live is not None else {}
    trial = tried(cluster, manifest, manager=MANAGER)
    after = described(trial.manifest) if trial.manifest is not None else dict(manifest)
    return Direct(about=ref, manifest=manifest, diff=difference(ref, before, after), trial=trial)


def applied(cluster: Cluster, change: Direct) -> Manifest:
    """Apply it. By force: whoever else set these fields was told of, and the person agreed. Raises KubeError."""
    return cluster.apply(change.manifest, manager=MANAGER, force=True).manifest


def difference(ref: Ref, before: Manifest, after: Manifest) -> str:
    """A unified diff of two manifests; of a Secret without its values."""
    old, new = (_text(_without_secrets(side)).splitlines(keepends=True) if side else [] for side in (before, after))
    name = str(ref)
    said = "".join(difflib.unified_diff(old, new, f"{name} (live)", f"{name} (after)"))
    # Values that are hidden differ nevertheless.
    return said or ("" if before == after else f"--- {name} (live)\n+++ {name} (after)\n values differ\n")


def _compared(cluster: Cluster, ref: Ref, before: Manifest, after: Manifest, wanted: Manifest) -> Direct:
    diff = "" if before == after else difference(ref, before, after)
    trial = tried(cluster, wanted, manager=MANAGER) if diff else Trial(False)
    return Direct(about=ref, manifest=wanted, diff=diff, trial=trial)


def _without_secrets(manifest: Manifest) -> Manifest:
    if manifest.get("kind") != "Secret":
        return manifest
    hidden = {
        name: dict.fromkeys(mapping(manifest[name]), _HIDDEN) for name in ("data", "stringData") if name in manifest
    }
    return {**manifest, **hidden}


def _text(manifest: Manifest) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 4096
    stream = io.StringIO()
    yaml.dump(manifest, stream)
    return stream.getvalue()
