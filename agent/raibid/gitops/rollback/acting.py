"""A decision carried out: the revert made, and brought into the branch or proposed.

Owns: that it is decided anew right before the commit, by the object as it is then and the branch's newest state; the
pull request's words.
Leaves to others: the decision (`decide.py`), the commit (`revert.py`), push or pull request (`raibid.gitops.change`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.landing import Landed
from raibid.gitops.change.policy import deliver
from raibid.gitops.change.pull_request import Proposal, branch_for
from raibid.gitops.errors import RevertError
from raibid.gitops.objects import Ref
from raibid.gitops.rollback.controller_settings import ControllerSettings
from raibid.gitops.rollback.decide import Decision, Kind, decide
from raibid.gitops.rollback.reading import Reading, examine
from raibid.gitops.rollback.revert import Why, revert
from raibid.gitops.settings import Policy


@dataclass(frozen=True)
class Actor:
    """Acts on one checkout."""

    settings: ControllerSettings
    checkout: Checkout
    read: Callable[[Ref], Reading]
    """An object as it is at that moment."""
    now: Callable[[], datetime]

    def act(self, reading: Reading, decision: Decision, words: str, culprit: str) -> Landed | None:
        """Take `decision.good..decision.bad` back. None: as things are now, that is not to be done.

        `culprit`: the commit that fails, whichever came after it.

        Raises:
            RevertError: it cannot be taken back, or was, and it did not help. GitopsError, GitError, CallError,
            KubeError: not now.
        """
        why = Why(reason=words, by=self.settings.by)
        about = reading.facts.about

        def make(checkout: Checkout) -> str | None:
            # A clone takes its time. Meanwhile somebody may have suspended the object, Flux may have brought it up, and
            # whoever was quicker may have mended the branch, or have taken the commit back just like us.
            now = self.read(about)
            fresh = examine(now, checkout, now=self.now())
            if _where(now) != _where(reading) or _gist(decide(fresh.facts, now=self.now())) != _gist(decision):
                return None
            made = revert(checkout, fresh.paths, decision.good, decision.bad, about=about, why=why)
            if made is None:
                raise RevertError(f"its files are those of {decision.good[:12]} again, and it still fails")
            return made

        looked_at = decision.kind is Kind.PULL_REQUEST
        return deliver(
            self.checkout,
            make,
            policy=Policy.PULL_REQUEST if looked_at else self.settings.gitops.policy,
            proposal=self._proposal(reading, decision, words, culprit),
            credentials=self.settings.credentials,
        )

    def _proposal(self, reading: Reading, decision: Decision, words: str, culprit: str) -> Proposal:
        about = reading.facts.about
        body = (
            f"{about.kind} `{about.namespace}/{about.name}` fails at {decision.bad}; the last commit at which it was "
            f"well is {decision.good}.\n\nFlux said:\n\n    {words}\n\n"
            f"Why this is not pushed at once: {decision.reason}."
        )
        return Proposal(
            branch=branch_for(about, ["rollback", culprit]),
            title=f"Roll back {about.namespace}/{about.name} to {decision.good[:12]}",
            body=body,
            once=True,
        )


def _where(reading: Reading) -> tuple[str, str] | None:
    return (reading.place.repository, reading.place.branch) if reading.place else None


def _gist(decision: Decision) -> tuple[Kind, str, str]:
    return decision.kind, decision.good, decision.bad
