"""What one API process is made of, in one value that routes find at `app.state.parts`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import Request

from raibid.api.approvals import Approvals
from raibid.api.archive import Archive
from raibid.api.auth import Tokens
from raibid.api.batcher import Batcher
from raibid.api.cron import Cron
from raibid.api.log_stream import Streams
from raibid.api.metrics import Metrics
from raibid.api.mirror_keeper import MirrorKeeper
from raibid.api.notifications import Notifications
from raibid.api.real_changes import RealChanges
from raibid.api.reconciler import Reconciler
from raibid.api.remembered import Remembered
from raibid.api.settings import Settings
from raibid.api.telling import Telling
from raibid.forge import Enrolment
from raibid.ledger import Ledger


@dataclass(frozen=True)
class Parts:
    """Everything a route may use."""

    settings: Settings
    ledger: Ledger
    archive: Archive
    enrolment: Enrolment
    tokens: Tokens
    batcher: Batcher
    metrics: Metrics
    streams: Streams
    telling: Telling
    notifications: Notifications
    real_changes: RealChanges
    approvals: Approvals
    reconciler: Reconciler
    cron: Cron
    mirrors: MirrorKeeper | None
    """None: the settings name no file of mirrors."""
    badges: Remembered[tuple[str, str], str]
    """Repository and branch → SVG."""
    closing: asyncio.Event
    """Set when the process is asked to end: open streams must not hold it back."""


def parts_of(request: Request) -> Parts:
    """The parts of the app that serves the request."""
    parts: Parts = request.app.state.parts
    return parts
