"""The app: routes and parts put together.

Owns: which routes there are, what lives from start to end of the process.
Leaves to others: the routes themselves, the server (`main.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from starlette.routing import BaseRoute, Route

import raibid
from raibid.api import background, badges, cron_routes, health, jobs, queue, reconcile_routes, webhooks
from raibid.api.approvals import Approvals
from raibid.api.archive import Archive
from raibid.api.auth import Tokens
from raibid.api.batcher import Batcher
from raibid.api.comments import Comments
from raibid.api.cron import Cron
from raibid.api.errors import add_error_handlers
from raibid.api.forges import forges_of
from raibid.api.log_stream import Streams, streaming_client
from raibid.api.logs import logs
from raibid.api.metrics import Metrics
from raibid.api.notifications import Notifications
from raibid.api.openapi import describe
from raibid.api.parts import Parts
from raibid.api.real_changes import RealChanges
from raibid.api.reconciler import Reconciler
from raibid.api.remembered import Remembered
from raibid.api.settings import Settings
from raibid.api.statuses import Statuses
from raibid.api.telling import Telling
from raibid.forge import load_enrolment
from raibid.ledger import Ledger
from raibid.store import Store

# Plain Starlette: FastAPI's own handling costs about 100 µs per request (spec/runtime.md 3.1), and its SSE
# 59 µs per line. First in the list, so that the hot path matches at once.
_PLAIN: list[BaseRoute] = [
    *(Route(path, endpoint, methods=["POST"]) for path, endpoint in webhooks.ENDPOINTS.items()),
    Route("/jobs/{job_id}/logs", logs, methods=["GET"]),
]


def create_app(settings: Settings, ledger: Ledger, store: Store) -> FastAPI:
    """The API on a ledger and a store; it closes neither.

    Raises:
        EnrolmentError: the enrolment file cannot be used. TargetError: the file of notifications' targets cannot.
    """
    metrics, forges = Metrics(ledger.depth), forges_of(settings)
    enrolment, archive = load_enrolment(settings.enrolment_file), Archive(store)
    parts = Parts(
        settings=settings,
        ledger=ledger,
        archive=archive,
        enrolment=enrolment,
        tokens=Tokens(settings),
        batcher=Batcher(ledger.enqueue, patience=settings.answer_seconds),
        metrics=metrics,
        streams=Streams(streaming_client(ledger, settings.most_streams), settings.most_streams),
        telling=Telling(
            ledger,
            forges,
            [Statuses(settings.public_url), Comments(ledger, settings.public_url)],
            metrics,
        ),
        notifications=Notifications(
            ledger, archive, enrolment, metrics, file=settings.notify_file, public_url=settings.public_url
        ),
        real_changes=RealChanges(forges, metrics),
        approvals=Approvals(ledger, forges, enrolment, metrics),
        reconciler=Reconciler(
            ledger,
            forges,
            enrolment,
            metrics,
            questions=settings.reconcile_questions,
            fresh=settings.reconcile_seconds / 2,
        ),
        cron=Cron(ledger, forges, enrolment, metrics),
        badges=Remembered(settings.badge_seconds),
        closing=asyncio.Event(),
    )
    app = FastAPI(
        title="raibid",
        version=raibid.__version__,
        description="The CI pool: webhooks in; jobs, logs and the operator's levers out.",
        routes=list(_PLAIN),
        lifespan=_lifespan,
        docs_url=None,  # its page loads scripts from elsewhere, into an origin where people hold tokens
        redoc_url=None,
    )
    app.state.parts = parts
    for router in (jobs.router, queue.router, badges.router, reconcile_routes.router, cron_routes.router, health.router):
        app.include_router(router)
    add_error_handlers(app)
    describe(app, public_url=settings.public_url)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    work = asyncio.create_task(background.run(parts))
    try:
        yield
    finally:
        parts.closing.set()
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        parts.real_changes.close()
        await asyncio.to_thread(parts.batcher.close)
        await parts.streams.client.aclose()
