"""Revisions as Flux and Argo CD write them: `main@sha1:1b2c…`, `latest@sha256:…`, a bare commit.

Owns: the commit in one; what is a whole commit id.
Leaves to others: where it stands to another commit (`watch/revisions.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_SHA: Final = re.compile(r"(?:[@/:]|^)([0-9a-f]{7,64})$")
_FULL: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def sha_of(revision: object) -> str:
    """The commit of `main@sha1:…`, `refs/heads/main@sha1:…`, `main/…` (before Flux 2.0) or a bare one; else empty."""
    found = _SHA.search(revision) if isinstance(revision, str) else None
    return found[1] if found else ""


def full_shas(values: Iterable[str]) -> tuple[str, ...]:
    """Those that are whole commit ids, and nothing else: only they may become part of a URL or an argument."""
    return tuple(value for value in values if _FULL.fullmatch(value))
