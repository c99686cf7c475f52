"""The durable job ledger on Redis: jobs enter once, run under a lease, end once.

Owns: the Lua scripts (each one atomic step), the admission window, the client class, the ACL users.
Leaves to others: what a build does (`raibid.worker`), who starts agents (`raibid.scaler`, KEDA), HTTP (`raibid.api`).

Read in this order: `ledger.py` (the client), `window.lua` (who may run), then the script of the step you want.
"""

from raibid.ledger.connection import Timing
from raibid.ledger.errors import (
    JobNotFoundError,
    LedgerError,
    LedgerFullError,
    LedgerUnavailableError,
    NotTerminalError,
    StaleTokenError,
)
from raibid.ledger.events import Transition
from raibid.ledger.ledger import Ledger
from raibid.ledger.results import Beat, Claim, Depth, Enqueued, Joined, LogChunk, NewJob, Page, Why

__all__ = [
    "Beat",
    "Claim",
    "Depth",
    "Enqueued",
    "JobNotFoundError",
    "Joined",
    "Ledger",
    "LedgerError",
    "LedgerFullError",
    "LedgerUnavailableError",
    "LogChunk",
    "NewJob",
    "NotTerminalError",
    "Page",
    "StaleTokenError",
    "Timing",
    "Transition",
    "Why",
]
