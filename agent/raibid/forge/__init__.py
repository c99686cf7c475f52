"""The forges (Gitea, GitHub): what they tell us, and what we make of it.

Owns: webhook signatures, push payloads → `PushEvent`, the operator's enrolment file, the decision what is built.
Leaves to others: HTTP (`raibid.api`), the queue (`raibid.ledger`). Nothing here opens a socket.
"""

from raibid.forge.enrolment import Enrolment, RepositoryRule, load_enrolment
from raibid.forge.errors import EnrolmentError, ForgeError, PayloadError
from raibid.forge.intake import Build, Skip, decide, dedupe_key
from raibid.forge.webhook import sign, verify

__all__ = [
    "Build",
    "Enrolment",
    "EnrolmentError",
    "ForgeError",
    "PayloadError",
    "RepositoryRule",
    "Skip",
    "decide",
    "dedupe_key",
    "load_enrolment",
    "sign",
    "verify",
]
