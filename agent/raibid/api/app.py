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
from raibid.api import (
    background,
    badges,
    cron_routes,
    github_sync,
    health,
    jobs,
    mirror_routes,
    queue,
    reconcile_routes,
    webhooks,
)
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
from raibid.api.mirror_keeper import MirrorKeeper
from raibid.api.mirror_metrics import MirrorMetrics
from raibid.api.mirror_survey import MirrorPlaces, MirrorSurvey
from raibid.api.notifications import Notifications
from raibid.api.openapi import describe
from raibid.api.parts import Parts
from raibid.api.real_changes import RealChanges
from raibid.api.reconciler import Reconciler
from raibid.api.remembered import Remembered
from raibid.api.settings import Settings
from raibid.api.statuses import Statuses
from raibid.api.telling import Telling
from raibid.forge import Enrolment, load_enrolment
from raibid.git.rooms import Rooms
from raibid.ledger import Ledger
from raibid.store import Store

# Plain Starlette: FastAPI's own handling costs about 100 µs per request (spec/runtime.md 3.1), and its SSE
# 59 µs per line. First in the list, so that the hot path matches at once.
_PLAIN: list[BaseRoute] = [
    *(Route(path, endpoint, methods=["POST"]) for path, endpoint in webhooks.ENDPOINTS.items()),
    Route(github_sync.PATH, github_sync.github_sync, methods=["POST"]),
    Route("/jobs/{job_id}/logs", logs, methods=["GET"]),
]


def create_app(settings: Settings, ledger: Ledger, store: Store) -> FastAPI:
    """The API on a ledger and a store; it closes neither.

    Raises:
        EnrolmentError: the enrolment file cannot be used. TargetError: the file of notifications' targets cannot.
    """
    metrics, forges = Metrics(ledger.depth), forges_of(settings)
    enrolment, archive = load_enrolment(settings.enrolment_file), Archive(store)
    reconciler = Reconciler(
        ledger,
        forges,
        enrolment,
        metrics,
        questions=settings.reconcile_questions,
        fresh=settings.reconcile_seconds / 2,
    )
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
        reconciler=reconciler,
        cron=Cron(ledger, forges, enrolment, metrics),
        mirrors=_mirrors(settings, ledger, store, enrolment, metrics, reconciler),
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
    for routes in (jobs, queue, badges, reconcile_routes, cron_routes, mirror_routes, health):
        app.include_router(routes.router)
    add_error_handlers(app)
    describe(app, public_url=settings.public_url)
    return app


def _mirrors(
    settings: Settings, ledger: Ledger, store: Store, enrolment: Enrolment, metrics: Metrics, reconciler: Reconciler
) -> MirrorKeeper | None:
    if settings.mirrors_file is None or settings.forge_credentials_file is None:
        return None
    places = MirrorPlaces(
        file=settings.mirrors_file,
        gitea_url=settings.gitea_url,
        credentials=settings.forge_credentials_file,
        tokens=settings.mirror_tokens_dir,
        github_url=settings.github_url,
    )
    mirror_metrics = MirrorMetrics(metrics.registry, ledger.mirrors.all)
    return MirrorKeeper(
        ledger,
        places,
        store,
        enrolment,
        mirror_metrics,
        # Gitea need not send hooks for what a mirror brings: whoever builds it hears of it from us.
        lambda name: reconciler.look_at(name, "gitea"),
        survey=MirrorSurvey(ledger.mirrors, places, mirror_metrics, seconds=settings.mirror_survey_seconds),
        rooms=Rooms(most=settings.mirror_scratch_bytes),
    )


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
        # First what somebody still waits for: mirrors have a call to Gitea to wait for, and the pod has 30 s.
        await asyncio.to_thread(parts.batcher.close)
        if parts.mirrors:
            await asyncio.to_thread(parts.mirrors.close)
        await parts.streams.client.aclose()
