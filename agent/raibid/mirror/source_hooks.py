"""The webhooks by which GitHub tells of pushes to mirrors' sources.

Owns: which sources get one, how each attempt went.
Leaves to others: the calls (`raibid.forge.github.hooks`), taking deliveries (`raibid.api.github_sync`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from raibid.forge.errors import ForgeReachError, ForgeRefusedError
from raibid.forge.hooks import Ensured, WantedHook
from raibid.mirror.desired import Wanted, place_at

EVENTS: Final = frozenset({"push", "create", "delete"})
"""Those that change what a mirror has."""
PATH: Final = "/webhook/github-sync"
"""Where the API takes them."""


class Hooks(Protocol):
    """GitHub's."""

    def ensure_hook(self, place: str, wanted: WantedHook, *, renew: bool = False) -> Ensured:
        """One hook for that URL. Raises CallError."""


@dataclass(frozen=True)
class SourceHook:
    """How it went at one source."""

    mirror: str
    place: str
    """owner/name at GitHub."""
    ensured: Ensured | None = None
    trouble: str = ""


def ensure_source_hooks(
    mirrors: Iterable[Wanted], hooks: Hooks, wanted: WantedHook, *, site: str, renew: bool = False
) -> Iterator[SourceHook]:
    """One hook at the source of every mirror that wants one. What our token may not do is told, and is no failure.

    `site`: where GitHub's clone URLs begin.

    Raises:
        CallError: GitHub does not answer; again is harmless.
    """
    for mirror in mirrors:
        if not mirror.hook:
            continue
        place = place_at(site, mirror.source)
        if not place:
            yield SourceHook(mirror.target, mirror.source, trouble="not at GitHub: its pushes are found by looking")
            continue
        try:
            yield SourceHook(mirror.target, place, hooks.ensure_hook(place, wanted, renew=renew))
        except (ForgeReachError, ForgeRefusedError) as error:
            yield SourceHook(mirror.target, place, trouble=str(error))
