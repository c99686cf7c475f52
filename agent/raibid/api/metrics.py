"""Prometheus metrics: what happened in this process, and what Redis says at the moment of the scrape.

Owns: the metrics' names. `cicd_…` are OpenTelemetry's CI/CD names (release candidate) in Prometheus' spelling.
Leaves to others: when to count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from raibid.ledger import Depth, LedgerError
from raibid.model.job import Job

_log: Final = structlog.get_logger("raibid.api")
_BUCKETS: Final = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Seconds: from a lint to the default timeout of 30 minutes and twice that."""


class Metrics:
    """One process' metrics, in a registry of their own."""

    def __init__(self, depth: Callable[[], Depth]) -> None:
        self.registry: Final = CollectorRegistry()
        self.registry.register(_Queue(depth))
        self._webhooks = Counter(
            "raibid_webhooks", "Webhook deliveries by outcome", ["forge", "outcome"], registry=self.registry
        )
        self._deliveries: dict[tuple[str, str], Counter] = {}
        self._duration = Histogram(
            "cicd_pipeline_run_duration_seconds",
            "From claim to end, of jobs that ended",
            ["result"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._wait = Histogram(
            "raibid_job_wait_seconds", "From enqueue to the last claim", buckets=_BUCKETS, registry=self.registry
        )
        self._errors = Counter(
            "cicd_pipeline_run_errors", "Jobs that ended dead or failed", ["error_type"], registry=self.registry
        )
        self._said = {
            "status": Counter(
                "raibid_statuses", "Commit statuses by outcome", ["forge", "outcome"], registry=self.registry
            ),
            "comment": Counter(
                "raibid_comments", "Pull requests' comments by outcome", ["forge", "outcome"], registry=self.registry
            ),
        }
        self._changes = Counter(
            "raibid_changes_asked", "Questions what a delivery changes, by outcome", ["forge", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._approvals = Counter(
            "raibid_approvals", "Held jobs whose author's rights were asked for, by outcome", ["forge", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._notifications = Counter(
            "raibid_notifications", "Notifications by outcome", ["target", "outcome"], registry=self.registry
        )
        self._untold = Gauge(
            "raibid_statuses_untold", "Jobs whose forge does not know where they stand", registry=self.registry
        )
        self._reconciled = Counter(
            "raibid_reconciled", "Heads that the reconciler found moved", ["forge", "outcome"], registry=self.registry
        )
        self._reconcile_age = Gauge(
            "raibid_reconcile_age_seconds",
            "Since the repository that waits longest was looked at: no older push can be lost",
            ["forge"],
            registry=self.registry,
        )
        self._reconciled_until: dict[str, float] = {}
        self._system = Counter(
            "cicd_system_errors", "Failures of the pool's own parts", ["component"], registry=self.registry
        )

    def said(self, topic: str, forge: str, outcome: str) -> None:
        """A forge was to be told a job's status or comment: told, refused (for good), failed or away (later)."""
        self._said[topic].labels(forge, outcome).inc()

    def changes(self, forge: str, outcome: str) -> None:
        """A delivery did not tell its changes: told by the forge, unknown to it, refused, away, late or unasked."""
        self._changes.labels(forge, outcome).inc()

    def approval(self, forge: str, outcome: str) -> None:
        """Whether a held job's author may push: approved, left (to a person), refused (an answer) or away (later)."""
        self._approvals.labels(forge, outcome).inc()

    def notification(self, target: str, outcome: str) -> None:
        """A target was to hear how jobs ended: sent, or failed (later)."""
        self._notifications.labels(target, outcome).inc()

    def untold(self, jobs: int) -> None:
        """So many jobs' forges do not know where they stand."""
        self._untold.set(jobs)

    def reconciled(self, forge: str, outcome: str) -> None:
        """A head had moved: created, revived (healed), known, overtaken, skipped, baseline; error, away: not asked."""
        self._reconciled.labels(forge, outcome).inc()

    def watch_reconciler(self, forge: str, clock: Callable[[], float]) -> None:
        """From now on the forge's age is shown; before its first round it is this process's."""
        self._reconciled_until[forge] = clock()
        self._reconcile_age.labels(forge).set_function(lambda: max(0.0, clock() - self._reconciled_until[forge]))

    def reconciled_until(self, forge: str, moment: float) -> None:
        """Every watched repository has been looked at since then (0: one not at all)."""
        if moment:
            self._reconciled_until[forge] = moment

    def webhook(self, forge: str, outcome: str) -> None:
        """A delivery was answered."""
        child = self._deliveries.get((forge, outcome))
        if child is None:  # `labels` takes a lock and builds strings: too much for the hot path
            child = self._deliveries[forge, outcome] = self._webhooks.labels(forge, outcome)
        child.inc()

    def ended(self, job: Job) -> None:
        """A job ended; called once per job, when it is archived."""
        if job.started:
            self._duration.labels(str(job.status)).observe(max(0.0, job.finished - job.started))
            self._wait.observe(max(0.0, job.started - job.created))
        if job.status in ("dead", "failed"):
            self._errors.labels(str(job.status)).inc()

    def system_error(self, component: str) -> None:
        """A part of the pool failed (and will be tried again)."""
        self._system.labels(component).inc()

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self.registry)


class _Queue(Collector):
    """The queue as Redis has it. Redis down: `raibid_redis_up 0` and no depths, never stale ones."""

    def __init__(self, depth: Callable[[], Depth]) -> None:
        self._depth = depth

    def describe(self) -> Iterable[Metric]:
        return []  # otherwise the registry would ask Redis at start

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("raibid_redis_up", "Whether Redis answered")
        try:
            depth = self._depth()
        except LedgerError as error:
            _log.warning("metrics without the queue", error=str(error))
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from _families(depth)


def _families(depth: Depth) -> Iterable[Metric]:
    jobs = GaugeMetricFamily("raibid_jobs", "Unfinished jobs by status", labels=["status"])
    queued = depth.stream - depth.claimed
    for status, count in {
        "held": depth.held,
        "waiting": depth.waiting,
        "queued": queued,
        "running": depth.claimed,
    }.items():
        jobs.add_metric([status], count)
    yield jobs
    active = GaugeMetricFamily("cicd_pipeline_run_active", "Jobs by phase", labels=["state"])
    active.add_metric(["pending"], depth.held + depth.waiting + queued)
    active.add_metric(["executing"], depth.claimed)
    yield active
    yield GaugeMetricFamily("cicd_worker_count", "Agents that hold a lease", value=depth.claimed)
    yield GaugeMetricFamily("raibid_stream_entries", "XLEN: agents wanted", value=depth.stream)
    yield GaugeMetricFamily("raibid_window", "Jobs that may be in the stream", value=depth.window)
    yield GaugeMetricFamily("raibid_paused", "Whether the queue is paused", value=int(depth.paused))
    yield GaugeMetricFamily("raibid_dead_letters", "Dead letters kept", value=depth.dead)
    yield CounterMetricFamily(
        "raibid_admit_errors", "Failed admissions; more than 0 is an alert", value=depth.admit_errors
    )
