"""The mirrors' metrics.

Owns: their names (`mirror_sync_duration` and `mirror_sync_errors` of the requirements, with Prometheus' suffixes).
Leaves to others: when to count (`mirror_keeper.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from raibid.ledger import LedgerError
from raibid.model.mirror import MirrorRecord, MirrorState

_log: Final = structlog.get_logger("raibid.api")
_BUCKETS: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300)
"""Seconds, with a step at 30: a push at the source is to be mirrored within them."""


class MirrorMetrics(Collector):
    """Of one process; what is known of the mirrors is asked for at the scrape."""

    def __init__(self, registry: CollectorRegistry, known: Callable[[], Mapping[str, MirrorRecord]]) -> None:
        self._known = known
        self._duration = Histogram(
            "mirror_sync_duration_seconds", "From the wish to sync to both sides equal", buckets=_BUCKETS,
            registry=registry,
        )  # fmt: skip
        self._errors = Counter(
            "mirror_sync_errors", "Looks at a mirror that did not end in equal heads", ["state"], registry=registry
        )
        self._surveyed = Gauge(
            "raibid_mirror_survey_seconds", "Unix time of the last survey which mirrors there are; 0: none yet",
            registry=registry,
        )  # fmt: skip
        registry.register(self)

    def surveyed(self, now: float) -> None:
        """It is known again which mirrors there are."""
        self._surveyed.set(now)

    def looked(self, record: MirrorRecord, *, moved: bool) -> None:
        """A mirror was looked at."""
        if record.state is not MirrorState.VERIFIED:
            self._errors.labels(str(record.state)).inc()
        elif moved:
            self._duration.observe(record.seconds)

    def collect(self) -> Iterable[Metric]:
        """Mirrors by state, when each was last equal to its source, and since when it has not been."""
        try:
            known = self._known()
        except LedgerError as error:  # the other metrics are worth more than none
            _log.warning("mirrors not counted", error=str(error))
            return []
        states = GaugeMetricFamily("raibid_mirrors", "Mirrors by state", labels=["state"])
        for state in MirrorState:
            states.add_metric([str(state)], sum(record.state is state for record in known.values()))
        behind = GaugeMetricFamily(
            "raibid_mirror_behind_since_seconds", "Unix time; only of mirrors that are not verified", labels=["mirror"]
        )
        verified = GaugeMetricFamily(
            "raibid_mirror_verified_seconds", "Unix time when both sides were last found equal; 0: never",
            labels=["mirror"],
        )  # fmt: skip
        for name, record in sorted(known.items()):
            verified.add_metric([name], record.verified)
            if record.behind:
                behind.add_metric([name], record.behind)
        return [states, behind, verified]
