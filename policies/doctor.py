"""The scaling doctor as a rule: what KEDA would really do with a ScaledJob.

Owns: turning the doctor's errors into violations.
Leaves to others: KEDA's semantics (`raibid.scaler`), the machine's capacity (rule scaled-job-budget), other rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from raibid.scaler.doctor import diagnose
from raibid.scaler.errors import ScaledJobError
from raibid.scaler.rules import Severity
from raibid.scaler.scaled_job import parse_scaled_jobs

from policies.manifest import Manifest
from policies.rule import Bounds, Rule
from policies.rules import RULES


def _healthy(manifest: Manifest, bounds: Bounds) -> Iterator[str]:  # noqa: ARG001  (as every check)
    if manifest.get("kind") != "ScaledJob":
        return
    try:
        (scaled_job,) = parse_scaled_jobs(json.dumps(manifest))  # JSON is YAML
    except ScaledJobError as error:
        yield str(error)
        return
    for finding in diagnose(scaled_job):
        if finding.severity is Severity.ERROR:
            yield f"{finding.path}: {finding.rule}: {finding.effect}; {finding.remedy}"


DOCTOR: Final = Rule(
    id="scaled-job-healthy",
    demand="a ScaledJob is free of the scaling doctor's errors",
    why="KEDA accepts ScaledJobs that never start, kill running builds or start every job five times",
    remedy="ask `raibid scaler doctor FILE`",
    check=_healthy,
)

EVERY_RULE: Final[tuple[Rule, ...]] = (*RULES, DOCTOR)
