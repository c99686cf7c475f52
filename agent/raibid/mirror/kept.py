"""The mirrors that Gitea holds for us, each with the manner in which the file says it is kept. Pure.

Owns: which entry of `mirrors.yaml` a repository in Gitea belongs to.
Leaves to others: what should be there (`desired.py`), keeping it (`upkeep.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from raibid.forge.gitea.mirrors import Held
from raibid.mirror.actions import is_archived
from raibid.mirror.config import Manner, MirrorsFile, OrgEntry, SingleEntry, manner
from raibid.mirror.desired import Wanted, place_at, source_key, token_for
from raibid.mirror.force_push import ForcePushPolicy


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One mirror."""

    name: str
    """owner/name in Gitea."""
    source: str
    """Clone URL, without credentials."""
    synced: bool = True
    """Whether it is brought up to its source; else it is only compared, because no entry says how it is kept."""
    policy: ForcePushPolicy = ForcePushPolicy.ON_FORCE_PUSH
    interval: int = Wanted.interval
    """Seconds between two looks; 0: only when asked."""
    token: str = ""
    """The name of one, for sources that ask who is there."""
    hook: bool = False


def kept(file: MirrorsFile, held: Iterable[Held], site: str = "https://github.com") -> list[Kept]:
    """Of what Gitea holds the mirrors. `site`: where GitHub's clone URLs begin.

    Anybody can give a repository our topic: one that no entry asks for is not synced, and no token is for it.
    """
    return [
        _kept(file, one, site)
        for one in held
        if one.mirror and not one.shell and one.original_url and not is_archived(one)
    ]


def _kept(file: MirrorsFile, held: Held, site: str) -> Kept:
    entry, given = _entry(file, held, site), file.defaults
    if entry is None:
        interval = manner(Manner(), given, "interval", Wanted.interval)
        return Kept(name=held.full_name, source=held.original_url, synced=False, interval=interval)
    return Kept(
        name=held.full_name,
        source=held.original_url,
        policy=ForcePushPolicy(manner(entry, given, "force_push", Wanted.force_push)),
        interval=manner(entry, given, "interval", Wanted.interval),
        token=token_for(held.original_url, entry, given, site),
        hook=manner(entry, given, "hook", False),
    )


def _entry(file: MirrorsFile, held: Held, site: str) -> SingleEntry | OrgEntry | None:
    """The entry that asks for it; or did, before somebody renamed it in Gitea. Never one of another owner there."""
    name, source = held.full_name.lower(), source_key(held.original_url)
    owner, home = name.partition("/")[0], place_at(site, held.original_url).partition("/")[0]
    single = [one for one in file.single if source_key(one.url) == source and _owner(one.target) == owner]
    entries: list[SingleEntry | OrgEntry] = [one for one in single if one.target.lower() == name]
    entries += [one for one in file.org if (one.github.lower(), one.target.lower()) == (home, owner)]
    if not entries and len(single) == 1:
        return single[0]
    return entries[0] if entries else None


def _owner(target: str) -> str:
    return target.lower().partition("/")[0]
