"""What else there is to say about how a commit ended: pods, events, changes by hand.

Owns: asking for it; what cannot be asked is a note.
Leaves to others: which object decided (`walk.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from raibid.gitops.cluster import Cluster, Happening
from raibid.gitops.objects import Ref
from raibid.gitops.watch.causes import causes, waited_for
from raibid.gitops.watch.drift import drift
from raibid.gitops.watch.outcome import Outcome, Progress
from raibid.gitops.watch.route import Sight
from raibid.kube.errors import KubeError


@dataclass(frozen=True)
class Reasons:
    """Asked at the end of a watch."""

    cluster: Cluster
    note: Callable[[str], None]

    def message(self, end: Progress, edited: Iterable[Ref]) -> str:
        """Its own, and of what is not healthy also what the pods say; those, too, for which a health check waits."""
        if end.outcome is not Outcome.NOT_HEALTHY:
            return end.message
        about = dict.fromkeys(ref for ref in (end.object, *edited, *waited_for(end.message)) if ref is not None)
        try:
            found = [cause for ref in about for cause in causes(self.cluster, ref)]
        except KubeError as error:
            self.note(f"pods were not seen: {error}")
            found = []
        return "; ".join((end.message, *found))

    def happenings(self, end: Progress) -> tuple[Happening, ...]:
        """Events of the object that decided; none if all is well."""
        if end.passed or end.object is None:
            return ()
        try:
            return tuple(self.cluster.happenings(end.object))
        except KubeError as error:
            self.note(f"events of {end.object} were not seen: {error}")
            return ()


def drifted(edited: Iterable[Ref], sight: Sight) -> Iterator[str]:
    """A line for each change by hand of these objects."""
    for ref in edited:
        for change in drift(sight.get(ref) or {}):
            yield f"drift: {change} of {ref}, until its applier looks again"
