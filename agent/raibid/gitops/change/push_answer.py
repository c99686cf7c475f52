"""What git says about a push that did not go in → who is at fault. Pure.

Owns: reading `git push --porcelain` and what the forge's hooks say beside it.
Leaves to others: pushing (`checkout.py`), what to do about it (`landing.py`, `policy.py`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from raibid.git.cli import Ended, failure
from raibid.git.errors import GitError
from raibid.gitops.errors import GitopsError, PushRacedError, PushRefusedError

# `!` TAB from:to TAB summary (reason), as git-push(1) has it under "Output"; one line per ref, and we push one.
_REJECTED: Final = re.compile(r"^!\t[^\t]*\t\[(?P<who>rejected|remote rejected|remote failure)\](?: \((?P<why>.*)\))?$")
_RACED: Final = re.compile(
    # git's own, which compares with what the remote has; the remote's, when two pushes met there (receive-pack.c,
    # refs.c): the lock of the ref, the old value under it.
    r"fetch first|non-fast-forward|stale info|needs force|cannot lock ref|failed to update ref|incorrect old value"
    r"|failed to lock|reference already exists|is at .* but expected",
    re.IGNORECASE,
)
_NOT_OURS: Final = re.compile(
    r"returned error: 403|Authentication failed|could not read Username|not found|Permission denied|not authorized",
    re.IGNORECASE,
)
_WHY: Final = ("fatal:", "error:")
_SAID: Final = 3
"""Lines of what a hook says: its own words are the reason that git only calls `hook declined`."""
_LONGEST: Final = 400


def push_error(branch: str, ended: Ended) -> GitopsError | GitError:
    """The error for a push that ended so: raced, refused, or what git itself says."""
    match = next((found for line in ended.out.splitlines() if (found := _REJECTED.match(line))), None)
    if match is None:
        told = _telling(ended)
        if _NOT_OURS.search(told.last):
            hint = "the credentials' user needs write access to the repository"
            return PushRefusedError(f"no push to {branch}: {told.last}", hint)
        return failure("push", told)
    why = match["why"] or match["who"]
    if _RACED.search(why):
        return PushRacedError(f"somebody else pushed to {branch} meanwhile ({why})")
    return PushRefusedError(f"the forge takes no push to {branch}: {why}{_said(ended.err)}")


def _telling(ended: Ended) -> Ended:
    """With the line that says why: after a lost connection git goes on to `Everything up-to-date`."""
    lines = (line.strip() for line in ended.err.splitlines())
    return replace(ended, err=next((line for line in lines if line.startswith(_WHY)), ended.err))


def _said(err: str) -> str:
    """What the forge's hook says, in its own words."""
    lines = (line.removeprefix("remote:").strip() for line in err.splitlines() if line.startswith("remote:"))
    said = "; ".join([line for line in lines if line][:_SAID])
    said = "".join(char for char in said if char.isprintable())  # no colours, and nothing else a terminal obeys
    return f" ({said[:_LONGEST]})" if said else ""
