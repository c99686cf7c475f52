"""The forges (Gitea, GitHub): what they tell us, what we make of it, and what we tell them.

Owns: webhook signatures, payloads → `PushEvent` and `PullRequestEvent`, the operator's enrolment file, the decision
what is built; the forges' APIs (`gitea/`, `github/` on `session.py`) and what a commit's status says.
Leaves to others: serving webhooks, when a status is told (`raibid.api`), the queue (`raibid.ledger`). Nothing that is
imported here opens a socket: the clients are imported by name, by whoever wants one.
"""

from raibid.forge.enrolment import Enrolment, RepositoryRule, load_enrolment
from raibid.forge.errors import EnrolmentError, ForgeError, PayloadError
from raibid.forge.intake import Build, Event, Skip, decide, dedupe_key, must_be_approved
from raibid.forge.webhook import sign, verify

__all__ = [
    "Build",
    "Enrolment",
    "EnrolmentError",
    "Event",
    "ForgeError",
    "PayloadError",
    "RepositoryRule",
    "Skip",
    "decide",
    "dedupe_key",
    "load_enrolment",
    "must_be_approved",
    "sign",
    "verify",
]
