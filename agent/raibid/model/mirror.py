"""A mirror as the pool last saw it.

Owns: the states, the record's shape.
Leaves to others: looking (`raibid.mirror.upkeep`), keeping the record (`raibid.ledger.mirrors`).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class MirrorState(StrEnum):
    """How a mirror stands to its source. Only `verified` says that both had the same branches and
    tags at the same commits."""

    NEW = "new"  #: not looked at yet
    VERIFIED = "verified"
    BEHIND = "behind"  #: the source has other branches or tags, and Gitea has not brought them yet
    BLOCKED = "blocked"  #: the source was pushed by force, and this mirror's policy leaves that to a person
    TOO_LARGE = "too-large"  #: what a sync loses cannot be told, or kept, in the room that there is for it
    GONE = "gone"  #: the source answers, and there is no such repository, or not for our token
    UNREACHABLE = "unreachable"  #: the source, or Gitea, does not answer
    REFUSED = "refused"  #: the source is at no host or address that may be asked


class MirrorRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one mirror. Times are Unix seconds, 0 for never."""

    source: str
    state: MirrorState = MirrorState.NEW
    checked: float = 0.0  #: when both sides were last compared, or that was tried
    verified: float = 0.0  #: when they were last found equal
    behind: float = 0.0  #: since when they have not been; 0: they are equal
    seconds: float = 0.0  #: how long the last sync took, from the wish to both sides equal
    errors: int = 0  #: looks in a row that did not end in `verified`
    reason: str = ""  #: why it is not verified
    bundle: str = ""  #: key in the store of the last bundle that was kept
    branches: int = 0
