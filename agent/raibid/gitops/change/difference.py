"""The difference between two states of an object, as people read one: a unified diff of YAML.

Owns: that no value of a Secret is in it.
Leaves to others: which parts of a live object count (`manifests.py`), differences of files (`checkout.py`).
"""

from __future__ import annotations

import difflib
import io
from typing import Final

from ruamel.yaml import YAML

from raibid.gitops.objects import Manifest, Ref, mapping

_HIDDEN: Final = "(hidden)"


def difference(ref: Ref, before: Manifest, after: Manifest) -> str:
    """A unified diff of two manifests; empty if they are the same."""
    if before == after:
        return ""
    old, new = (_text(_without_secrets(side)).splitlines(keepends=True) if side else [] for side in (before, after))
    said = "".join(difflib.unified_diff(old, new, f"{ref} (live)", f"{ref} (after)"))
    # Values that are hidden differ nevertheless.
    return said or f"--- {ref} (live)\n+++ {ref} (after)\n values differ\n"


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
