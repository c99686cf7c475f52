"""A token's new value, given to every mirror that uses it.

Owns: the order, how each went.
Leaves to others: Gitea's form (`raibid.forge.gitea.mirror_form`), whether the source takes the token (a look: the
mirror is verified or it is not).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from raibid.forge.errors import ForgeLoginError, ForgeRefusedError
from raibid.forge.gitea.mirror_form import MirrorForm
from raibid.forge.gitea.mirrors import GiteaMirrors, Held


@dataclass(frozen=True)
class Rotated:
    """One mirror."""

    mirror: str
    trouble: str = ""


def rotate(mirrors: Iterable[Held], token: str, form: MirrorForm, gitea: GiteaMirrors) -> Iterator[Rotated]:
    """Change each, and have Gitea fetch with it. What one refuses is told, and no reason to leave out the others.

    Raises:
        CallError: Gitea does not answer, or does not know us; again is harmless.
    """
    for held in mirrors:
        try:
            form.set_token(held, token)
            gitea.sync(held.full_name)
        except ForgeLoginError:
            raise
        except ForgeRefusedError as error:
            yield Rotated(held.full_name, str(error))
        else:
            yield Rotated(held.full_name)
