"""What GitHub lists and what Gitea has: the two questions a plan is made from.

Owns: whom to ask what; that an organisation that cannot be listed is told, and no reason to give up.
Leaves to others: the calls (`raibid.forge`), what follows from the answers (`desired.py`, `plan.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from raibid.forge.errors import CallError
from raibid.forge.forge import RepositoryInfo
from raibid.forge.gitea.mirrors import GiteaMirrors
from raibid.mirror.actions import Actual
from raibid.mirror.config import MARK, MirrorsFile, OrgEntry, manner
from raibid.mirror.desired import Desired, Listing
from raibid.mirror.errors import MirrorTokenError


class Lists(Protocol):
    """What is asked of GitHub."""

    def repositories(self, owner: str = "") -> Iterator[RepositoryInfo]:
        """All repositories of an owner."""


Ask = Callable[[str], AbstractContextManager[Lists]]
"""The name of a token, or nothing → GitHub as that user."""


def listings(file: MirrorsFile, ask: Ask) -> dict[str, Listing]:
    """Every organisation of the file, listed; by its name as the file spells it."""
    return {entry.github: _listing(entry, file, ask) for entry in file.org}


def _listing(entry: OrgEntry, file: MirrorsFile, ask: Ask) -> Listing:
    try:
        with ask(manner(entry, file.defaults, "token", "")) as github:
            return Listing(repositories=tuple(github.repositories(entry.github)))
    except (CallError, MirrorTokenError) as error:
        # Half a listing would look like repositories that are gone: it is all or nothing.
        return Listing(error=str(error))


def actual(desired: Desired, gitea: GiteaMirrors, also: Iterable[str] = ()) -> Actual:
    """What Gitea has at the owners that matter, and what of ours anywhere. `also`: further full names' owners.

    Raises:
        CallError: Gitea did not say.
    """
    owners = {name.lower() for name in (*desired.owners, *(name.partition("/")[0] for name in also))}
    return Actual(
        owners={owner: gitea.repositories(owner) for owner in sorted(owners)}, marked=tuple(gitea.with_topic(MARK))
    )
