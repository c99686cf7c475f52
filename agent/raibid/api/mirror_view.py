"""A mirror as the API shows it.

Owns: the shape.
Leaves to others: what is known of it (`raibid.model.mirror`), the routes (`mirror_routes.py`).
"""

from __future__ import annotations

import msgspec

from raibid.model.mirror import MirrorRecord, MirrorState


class MirrorView(msgspec.Struct, frozen=True, kw_only=True):
    """A mirror as `GET /mirrors` shows it. Times are Unix seconds, 0 for never."""

    name: str
    source: str
    state: MirrorState
    checked: float
    verified: float
    behind: float
    seconds: float
    errors: int
    reason: str
    bundle: str
    branches: int
    ci: bool  #: whether its pushes are built


def view(name: str, record: MirrorRecord, *, ci: bool) -> MirrorView:
    """What is shown of it."""
    known = {field: getattr(record, field) for field in MirrorRecord.__struct_fields__}
    return MirrorView(name=name, ci=ci, **known)
