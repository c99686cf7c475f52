"""Prometheus metrics of the rollback controller.

Owns: their names.
Leaves to others: when to count, the alerts on them (`components/monitoring/alert_rules.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

_BUCKETS: Final = (5, 10, 20, 30, 60, 90, 120, 180, 300, 600)
"""Seconds around the two minutes that a rollback may take (FR-004)."""


class Metrics:
    """One process' metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._results = Counter(
            "raibid_rollback", "What became of failing commits", ["result"], registry=self._registry
        )
        self._duration = Histogram(
            "raibid_rollback_duration_seconds",
            "From the revert's commit to Ready on it",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._alerts = Counter("raibid_rollback_alerts", "Alerts by outcome", ["outcome"], registry=self._registry)
        self._troubles = Counter(
            "raibid_rollback_troubles", "Looks and records that failed and are repeated", ["error"],
            registry=self._registry,
        )  # fmt: skip
        self._stopped = Gauge(
            "raibid_rollback_stopped",
            "1 while something fails that the controller does not take back",
            ["exported_namespace", "kind", "name"],
            registry=self._registry,
        )
        self._looked = Gauge(
            "raibid_rollback_looked_timestamp_seconds", "When it last saw the whole cluster", registry=self._registry
        )

    def result(self, name: str) -> None:
        """Something came to an end, or to its next stage."""
        self._results.labels(name).inc()

    def healthy(self, seconds: float) -> None:
        """A revert was applied and is ready."""
        self._duration.observe(seconds)

    def alert(self, outcome: str) -> None:
        """A delivery to the receiver."""
        self._alerts.labels(outcome).inc()

    def trouble(self, error: str) -> None:
        """What could not be done now."""
        self._troubles.labels(error).inc()

    def stopped(self, objects: Iterable[tuple[str, str, str]]) -> None:
        """Exactly these are given up."""
        self._stopped.clear()
        for labels in objects:
            self._stopped.labels(*labels).set(1)

    def looked(self, at: float) -> None:
        """A round went through."""
        self._looked.set(at)

    def page(self) -> tuple[bytes, str]:
        """What Prometheus scrapes, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4
