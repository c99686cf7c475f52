"""Is it a ScaledJob at all, and will this KEDA look at it?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from raibid.scaler.rules.finding import Finding, Rule, Subject, error, warning
from raibid.scaler.scaled_job import API_VERSION, KIND

OLDEST_GOOD: Final = (2, 20, 2)
"""The first without a known bug that touches a ScaledJob on a stream (spec/queue.md 3.3)."""


def not_a_scaled_job(subject: Subject) -> Iterator[Finding]:
    """wrong-kind: a ScaledObject scales a Deployment, which ends agents in the middle of a build."""
    kind = subject.scaled_job.kind
    if kind != KIND:
        yield error(
            "wrong-kind", "kind",
            f"{kind} scales a Deployment up and down: scaling in kills agents that are building",
            f"use kind: {KIND}; its Jobs run to their end",
        )  # fmt: skip


def api_version(subject: Subject) -> Iterator[Finding]:
    """wrong-api-version."""
    given = subject.scaled_job.api_version
    if given != API_VERSION:
        yield error(
            "wrong-api-version", "apiVersion",
            f"the API server knows no ScaledJob in {given or '(nothing)'} and refuses the object",
            f"apiVersion: {API_VERSION}",
        )  # fmt: skip


def paused(subject: Subject) -> Iterator[Finding]:
    """paused: KEDA stops its loop for this ScaledJob."""
    value = subject.scaled_job.metadata.annotations.get("autoscaling.keda.sh/paused")
    if str(value).lower() == "true":
        yield error(
            "paused", "metadata.annotations",
            "KEDA creates no Job while autoscaling.keda.sh/paused is true",
            "remove the annotation; to stop the pool, pause the queue (`raibid pause`), which jobs can explain",
        )  # fmt: skip


def keda_version(subject: Subject) -> Iterator[Finding]:
    """keda-too-old: known bugs below 2.20.2."""
    if subject.keda_version < OLDEST_GOOD:
        bugs = [
            text
            for fixed, text in (
                ((2, 17, 0), "a single message is ignored unless activationLagCount is set (#6478)"),
                ((2, 18, 0), "pendingPodConditions are misread (#6727)"),
                ((2, 19, 0), "strategy accurate overshoots near max (#7329)"),
                ((2, 20, 2), "strategy custom without a deduction panics the operator (#7798)"),
            )
            if subject.keda_version < fixed
        ]
        version = ".".join(map(str, subject.keda_version))
        yield warning(
            "keda-too-old", "(KEDA)", f"KEDA {version}: {'; '.join(bugs)}", "pin KEDA to 2.20.2 or newer"
        )  # fmt: skip


RULES: tuple[Rule, ...] = (api_version, paused, keda_version)
