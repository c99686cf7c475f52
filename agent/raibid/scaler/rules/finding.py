"""What a rule takes and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from raibid.scaler.scaled_job import ScaledJob, Version


class Severity(StrEnum):
    """The worst first."""

    ERROR = "error"  #: jobs never start, are lost or killed, or run twice
    WARNING = "warning"  #: slower or more wasteful than it looks
    INFO = "info"  #: correct, but not obvious


@dataclass(frozen=True)
class Finding:
    """One thing the author may not expect."""

    severity: Severity
    path: str  #: where in the manifest: `spec.triggers[0].metadata.streamLength`
    rule: str  #: its name, stable
    effect: str  #: what KEDA or Kubernetes will really do
    remedy: str


@dataclass(frozen=True)
class Subject:
    """What is judged, and for which machine and KEDA."""

    scaled_job: ScaledJob
    capacity: int | None
    keda_version: Version


Rule = Callable[[Subject], Iterator[Finding]]


def error(rule: str, path: str, effect: str, remedy: str) -> Finding:
    """A finding of severity error."""
    return Finding(Severity.ERROR, path, rule, effect, remedy)


def warning(rule: str, path: str, effect: str, remedy: str) -> Finding:
    """A finding of severity warning."""
    return Finding(Severity.WARNING, path, rule, effect, remedy)


def info(rule: str, path: str, effect: str, remedy: str) -> Finding:
    """A finding of severity info."""
    return Finding(Severity.INFO, path, rule, effect, remedy)
