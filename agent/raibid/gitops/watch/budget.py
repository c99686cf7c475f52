"""How long an object on the way may take before the watch ends where it stands.

Owns: the sum of the operator's settings and of what the object itself allows.
Leaves to others: counting (`follow.py`).
"""

from __future__ import annotations

import re
from typing import Final

from raibid.gitops.groups import ARGOCD, HELM, KUSTOMIZE, SOURCE
from raibid.gitops.objects import Ref, spec_of, text
from raibid.gitops.settings import Timeouts
from raibid.gitops.watch.route import Sight, depth_of

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

_LEAST: Final = 30.0
"""kustomize-controller raises a shorter timeout to this."""
LONGEST: Final = 86400.0
"""Nobody watches for longer than a day, whatever an object's `timeout` says (Go's go to 292 years)."""


def seconds_of(duration: object) -> float:
    """Seconds of Go's `1h2m3s`; 0 for anything else."""
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text(duration)))


def budget(about: Ref | None, sight: Sight, timeouts: Timeouts) -> float:
    """Seconds for one object, once the stages before it are passed.

    For an applier at least its own timeout and one retry, for each applier that has its turn before it; never more
    than `LONGEST`.
    """
    return min(LONGEST, _wanted(about, sight, timeouts))


def _wanted(about: Ref | None, sight: Sight, timeouts: Timeouts) -> float:
    if about is None:
        return timeouts.health
    spec = spec_of(sight.get(about) or {}) if about.group in (KUSTOMIZE, HELM, SOURCE) else {}
    own = seconds_of(spec.get("timeout"))
    if about.group == SOURCE:
        return max(timeouts.fetch, own)
    if about.group in (KUSTOMIZE, HELM):
        interval = seconds_of(spec.get("interval"))
        retry = seconds_of(spec.get("retryInterval")) or interval
        return max(timeouts.apply, max(own or interval, _LEAST) + retry) * depth_of(about, sight)
    return timeouts.apply if about.group == ARGOCD else timeouts.health
