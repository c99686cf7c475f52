"""Alerts on the rollback controller: what it gave up, and that nobody would take a bad commit back.

Owns: expressions, severities, the words.
Leaves to others: the metrics (`agent/raibid/gitops/rollback/metrics.py`), what it does (`raibid.gitops.rollback`).
"""

from __future__ import annotations

from typing import Final

from components.monitoring.alert import Alert

ROLLBACK: Final = (
    Alert(
        name="RollbackStopped",
        expr="max by (exported_namespace, kind, name) (raibid_rollback_stopped) > 0",
        lasts="0m",
        severity="critical",
        summary="{{ $labels.kind }} {{ $labels.name }} fails, and its commits are not taken back any more",
        todo="The issue in the fleet's repository says what was tried (docs/gitops.md, The rollback controller).",
    ),
    Alert(
        name="RollbackBlind",
        # 0 until its first look: one that starts without a way to the cluster says so, too.
        expr="time() - max(raibid_rollback_looked_timestamp_seconds) > 600",
        lasts="5m",
        severity="warning",
        summary="The rollback controller has not seen the cluster for ten minutes",
        todo="`kubectl -n infrastructure logs deploy/raibid-rollback` says what keeps it from looking.",
    ),
    Alert(
        name="RollbackDown",
        expr=(
            'kube_deployment_status_replicas_available{namespace="infrastructure", deployment="raibid-rollback"} == 0'
        ),
        lasts="10m",
        severity="warning",
        summary="The rollback controller is down: a bad commit stays until somebody reverts it",
        todo="`kubectl -n infrastructure describe deploy/raibid-rollback`; by hand: docs/rollback.md of the fleet.",
    ),
    Alert(
        name="RollbackTroubles",
        expr="increase(raibid_rollback_troubles_total[15m]) > 10",
        lasts="15m",
        severity="warning",
        summary="The rollback controller cannot reach what it needs",
        todo="Its log says what: the forge, the cluster, a login. It tries again by itself.",
    ),
)
