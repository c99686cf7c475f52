"""An alert, as every file of alerts writes it.

Owns: its shape, and Prometheus' spelling of it.
Leaves to others: which there are (`monitoring.alert_rules`, `monitoring.rollback_rules`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert."""

    name: str
    expr: str
    lasts: str
    severity: Literal["critical", "warning"]
    summary: str
    todo: str

    def as_rule(self) -> Mapping[str, Any]:
        """As Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasts,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "description": self.todo},
        }
