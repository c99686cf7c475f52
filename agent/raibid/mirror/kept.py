"""The mirrors that Gitea holds for us, each with the manner in which the file says it is kept. Pure.

Owns: which entry of `mirrors.yaml` a repository in Gitea belongs to.
Leaves to others: what should be there (`desired.py`), keeping it (`upkeep.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from raibid.forge.gitea.mirrors import Held
from raibid.mirror.actions import is_archived
from raibid.mirror.config import Manner, MirrorsFile, manner
from raibid.mirror.desired import Wanted, source_key
from raibid.mirror.force_push import ForcePushPolicy


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One mirror."""

    name: str
    """owner/name in Gitea."""
    source: str
    """Clone URL, without credentials."""
    policy: ForcePushPolicy = ForcePushPolicy.ON_FORCE_PUSH
    interval: int = Wanted.interval
    """Seconds between two looks; 0: only when asked."""
    token: str = ""
    """The name of one, for sources that ask who is there."""
    hook: bool = False


def kept(file: MirrorsFile, held: Iterable[Held]) -> list[Kept]:
    """Of what Gitea holds the mirrors; one whose entry is gone is kept as `defaults` say."""
    return [
        _kept(file, one) for one in held if one.mirror and not one.shell and one.original_url and not is_archived(one)
    ]


def _kept(file: MirrorsFile, held: Held) -> Kept:
    entry, given = _entry(file, held), file.defaults
    return Kept(
        name=held.full_name,
        source=held.original_url,
        policy=ForcePushPolicy(manner(entry, given, "force_push", Wanted.force_push)),
        interval=manner(entry, given, "interval", Wanted.interval),
        token=manner(entry, given, "token", ""),
        hook=manner(entry, given, "hook", False),
    )


def _entry(file: MirrorsFile, held: Held) -> Manner:
    name, source = held.full_name.lower(), source_key(held.original_url)
    for single in file.single:
        if single.target.lower() == name and source_key(single.url) == source:
            return single
    for org in file.org:
        if name.startswith(f"{org.target.lower()}/") and source.startswith(f"github.com/{org.github.lower()}/"):
            return org
    return Manner()
