"""The doctor: what KEDA will really do with a ScaledJob, before it does.

Owns: the one question `diagnose`, its answer's order.
Leaves to others: the rules themselves (`rules/`), reading the manifest (`scaled_job.py`), tables (`render.py`).
"""

from __future__ import annotations

from raibid.scaler.rules import RULES, Finding, Severity, Subject
from raibid.scaler.rules.identity import not_a_scaled_job
from raibid.scaler.scaled_job import ScaledJob, Version

KEDA_VERSION: Version = (2, 21, 0)
"""The version that was measured with a real API server (spec/queue.md 6)."""

_ORDER = tuple(Severity)


def diagnose(
    scaled_job: ScaledJob, capacity: int | None = None, keda_version: Version = KEDA_VERSION
) -> tuple[Finding, ...]:
    """Everything about the manifest that the author may not expect, the worst first.

    `capacity` is how many agents the machine has room for. Pure: nothing is contacted.
    """
    subject = Subject(scaled_job, capacity, keda_version)
    if found := tuple(not_a_scaled_job(subject)):
        return found  # the other rules would judge fields that this kind does not have
    findings = [finding for rule in RULES for finding in rule(subject)]
    return tuple(sorted(findings, key=lambda f: _ORDER.index(f.severity)))


def healthy(findings: tuple[Finding, ...]) -> bool:
    """Whether nothing is an error or a warning."""
    return all(f.severity is Severity.INFO for f in findings)
