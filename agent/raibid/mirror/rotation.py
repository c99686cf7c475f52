"""A token's new value, given to every mirror that uses it, and seen to work there.

The source is asked with it first, so that a wrong one changes nothing. Afterwards Gitea itself must have fetched with
it: what our own look finds equal was found with the token's file, and says nothing about what Gitea keeps.

Owns: the order, how each went.
Leaves to others: Gitea's form (`raibid.forge.gitea.mirror_form`), looks and policies (`upkeep.py`), whether Gitea can
fetch where there is nothing to bring (`fetching.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from raibid.forge.errors import ForgeLoginError, ForgeRefusedError
from raibid.forge.gitea.mirrors import Held
from raibid.mirror.fetching import why_not_fetched
from raibid.mirror.kept import Kept
from raibid.mirror.upkeep import Upkeep
from raibid.model.mirror import MirrorState

_ANSWERED: Final = (MirrorState.VERIFIED, MirrorState.BEHIND)
"""What a comparison finds when the source took the token."""


class Form(Protocol):
    """Gitea's."""

    def set_token(self, held: Held, token: str) -> None:
        """Fetch with this one from now on. Raises CallError."""


@dataclass(frozen=True)
class Rotated:
    """One mirror."""

    mirror: str
    changed: bool = False
    """Whether Gitea has the new value."""
    trouble: str = ""


def rotate(mirrors: Iterable[tuple[Kept, Held]], token: str, form: Form, upkeep: Upkeep) -> Iterator[Rotated]:
    """Change each. What goes wrong with one is told, and no reason to leave out the others.

    Raises:
        CallError: Gitea does not answer, or does not know us; again is harmless.
    """
    for mirror, held in mirrors:
        try:
            yield _rotated(mirror, held, token, form, upkeep)
        except ForgeLoginError:
            raise
        except ForgeRefusedError as error:
            yield Rotated(mirror.name, trouble=str(error))


def _rotated(mirror: Kept, held: Held, token: str, form: Form, upkeep: Upkeep) -> Rotated:
    before = upkeep.sides.compare(mirror, None)
    if before.state not in _ANSWERED:
        return Rotated(mirror.name, trouble=f"not changed: {before.state}: {before.reason}")
    form.set_token(held, token)
    if before.state is MirrorState.VERIFIED:
        trouble = why_not_fetched(upkeep.gitea, mirror.name, upkeep.patience)
    else:
        after = upkeep.look(mirror, None).record  # by the mirror's policy, and what it brings is brought with the token
        trouble = "" if after.state is MirrorState.VERIFIED else f"{after.state}: {after.reason}"
    return Rotated(mirror.name, changed=True, trouble=trouble)
