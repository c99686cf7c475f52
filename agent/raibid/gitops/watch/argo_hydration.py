"""A commit on its way through Argo CD's source hydrator: from the branch that people edit to the one that is synced.

Owns: the hydrator's operation; which commit of the hydrated branch stands for the followed one.
Leaves to others: what happens after that (`argo.py`).
"""

from __future__ import annotations

from datetime import datetime

from raibid.gitops.objects import Manifest, Ref, mapping, moment, spec_of, status_of, text
from raibid.gitops.watch.outcome import Outcome, Progress
from raibid.gitops.watch.revisions import Line, Standing


def hydrated(application: Manifest, line: Line, about: Ref, pushed_at: datetime) -> Line | Progress:
    """The hydrated commit, to be followed from here; or what keeps the commit from being hydrated."""
    status = mapping(status_of(application).get("sourceHydrator"))
    current, last = mapping(status.get("currentOperation")), mapping(status.get("lastSuccessfulOperation"))
    phase, dry = text(current.get("phase")), text(current.get("drySHA"))
    # `lastComparedDryRevision` without an operation: the commit changes nothing that this Application renders.
    if line.has(last.get("drySHA")) or (phase == "Hydrated" and line.has(status.get("lastComparedDryRevision"))):
        made = text(last.get("hydratedSHA"))
        if not made:
            return Progress(Outcome.NOT_ATTEMPTED, False, "it is hydrated, into no commit that is named", about)
        return Line(made, line.contains)
    message = text(current.get("message"))
    if phase == "Failed" and (line.has(dry) or (not dry and _since(current.get("startedAt"), pushed_at))):
        return Progress(Outcome.FAILING, True, message, about)
    if phase == "Hydrating":
        return Progress(Outcome.NOT_ATTEMPTED, False, message or "it is being hydrated", about)
    if line.standing(dry) is Standing.BESIDE:
        seen = _since(current.get("startedAt"), pushed_at)
        return Progress(Outcome.SUPERSEDED, seen, f"hydrated is {dry}, which does not contain the commit", about)
    return Progress(Outcome.NOT_FETCHED, False, f"hydrated is {dry or 'nothing yet'}", about)


def awaits_merge(application: Manifest) -> str:
    """What somebody has to merge before the hydrated commit is synced; empty: nothing, it is in the synced branch."""
    hydrator = mapping(spec_of(application).get("sourceHydrator"))
    staged = text(mapping(hydrator.get("hydrateTo")).get("targetBranch"))
    synced = text(mapping(hydrator.get("syncSource")).get("targetBranch"))
    return f"hydrated into branch {staged}, awaiting its merge into {synced}" if staged not in ("", synced) else ""


def _since(value: object, time: datetime) -> bool:
    found = moment(value)
    return found is not None and found >= time.replace(microsecond=0)
