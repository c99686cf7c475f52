"""A decision carried out: the revert made, and brought into the branch or proposed.

Owns: that it is decided anew on every newer state of the branch; the pull request's words.
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
    now: Callable[[], datetime]

    def act(self, reading: Reading, decision: Decision, words: str) -> Landed | None:
        """Take `decision.good..decision.bad` back. None: on the branch's newest state nothing is to be done.

        Raises:
            RevertError: it cannot be taken back. GitopsError, GitError, CallError: not now.
        """
        why = Why(reason=words, by=self.settings.by)

        def make(checkout: Checkout) -> str | None:
            # Whoever was quicker may have mended it, or have taken it back just like us.
            fresh = examine(reading, checkout, now=self.now())
            if decide(fresh.facts, now=self.now()).kind is not decision.kind:
                return None
            return revert(checkout, fresh.paths, decision.good, decision.bad, about=reading.facts.about, why=why)

        looked_at = decision.kind is Kind.PULL_REQUEST
        return deliver(
            self.checkout,
            make,
            policy=Policy.PULL_REQUEST if looked_at else self.settings.gitops.policy,
            proposal=self._proposal(reading, decision, words),
            credentials=self.settings.credentials,
        )

    def _proposal(self, reading: Reading, decision: Decision, words: str) -> Proposal:
        about = reading.facts.about
        body = (
            f"{about.kind} `{about.namespace}/{about.name}` fails at {decision.bad}; the last commit at which it was "
            f"well is {decision.good}.\n\nFlux said:\n\n    {words}\n\n"
            f"Why this is not pushed at once: {decision.reason}."
        )
        return Proposal(
            branch=branch_for(about, ["rollback", decision.bad]),
            title=f"Roll back {about.namespace}/{about.name} to {decision.good[:12]}",
            body=body,
        )
