"""Revisions as Flux and Argo CD write them: `main@sha1:1b2c…`, `latest@sha256:…`, a bare commit.

Owns: the commit in one.
Leaves to others: where it stands to another commit (`watch/revisions.py`).
"""

from __future__ import annotations

import re
from typing import Final

_SHA: Final = re.compile(r"(?:[@/:]|^)([0-9a-f]{7,64})$")


def sha_of(revision: object) -> str:
    """The commit of `main@sha1:…`, `refs/heads/main@sha1:…`, `main/…` (before Flux 2.0) or a bare one; else empty."""
    found = _SHA.search(revision) if isinstance(revision, str) else None
    return found[1] if found else ""
