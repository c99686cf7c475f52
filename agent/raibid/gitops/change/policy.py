"""Push or pull request: what the operator wants, and what the branch takes.

Owns: the choice.
Leaves to others: doing it (`landing.py`, `pull_request.py`).
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from raibid.forge.errors import CallError, ForgeUnavailableError
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.forge_at import ForgeAt, forge_at
from raibid.gitops.change.landing import Landed, Make, land
from raibid.gitops.change.pull_request import Proposal, propose
from raibid.gitops.errors import PushRefusedError
from raibid.gitops.settings import Policy


def deliver(
    checkout: Checkout, make: Make, *, policy: Policy, proposal: Proposal, credentials: Path | None
) -> Landed | None:
    """Bring the commit that `make` makes into the checkout's branch, as the policy says. None: nothing to change.

    Raises:
        PushRefusedError: the policy is to push, and the forge takes none. PushRacedError, NotAllowedError, CallError,
        GitError; and what `make` raises.
    """
    if policy is Policy.PUSH:
        return land(checkout, make)
    with forge_at(checkout.url, credentials) as forge:
        if policy is Policy.AUTO and _may_be_pushed(forge, checkout.branch):
            with suppress(PushRefusedError):  # which is the answer that the forge did not give before
                return land(checkout, make)
        return propose(checkout, make, proposal, forge)


def _may_be_pushed(forge: ForgeAt | None, branch: str) -> bool:
    """What the forge says; yes where it does not say, for a push that is refused says so, too."""
    if forge is None:
        return True
    try:
        return forge.pulls.takes_push(forge.repository, branch)
    except ForgeUnavailableError:
        raise
    except CallError:  # our login may push, and not ask the API
        return True
