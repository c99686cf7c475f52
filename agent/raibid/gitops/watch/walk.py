"""One watch from its beginning to its result: who is asked, what changed, whose time is over, what was final.

Owns: each applier's progress and spent time, the second look before a progress counts as final, the result.
Leaves to others: the stages (`route.py`), budgets (`budget.py`), what is seen and waking up (`view.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from raibid.git.errors import GitError
from raibid.gitops.cluster import Cluster, Happening
from raibid.gitops.errors import GitopsError, UnmanagedError
from raibid.gitops.groups import ARGOCD
from raibid.gitops.objects import Ref
from raibid.gitops.owner.ownership import Claim
from raibid.gitops.settings import Timeouts
from raibid.gitops.watch import flux, second_try
from raibid.gitops.watch.asking import ask as asked
from raibid.gitops.watch.budget import budget
from raibid.gitops.watch.causes import causes, waited_for
from raibid.gitops.watch.drift import drift
from raibid.gitops.watch.outcome import Outcome, Progress, Result, Step
from raibid.gitops.watch.probe import Probe
from raibid.gitops.watch.revisions import Line
from raibid.gitops.watch.route import Look, Route, chart_of, route_of, source_of
from raibid.gitops.watch.view import View
from raibid.kube.errors import KubeError

_WORST: Final = (
    Outcome.FAILING, Outcome.NOT_HEALTHY, Outcome.SUPERSEDED, Outcome.NOT_FETCHED, Outcome.SUSPENDED,
    Outcome.AWAITING_SYNC, Outcome.NOT_ATTEMPTED, Outcome.HEALTHY,
)  # fmt: skip
"""Of several appliers, whose outcome is the result's: what explains the others comes first."""


@dataclass
class _Track:
    """One applier, or the probes."""

    route: Route | None
    progress: Progress | None = None
    since: float = 0.0
    spent: dict[Ref | None, float] = field(default_factory=dict)
    """Seconds at each object. Added up: an applier that looks again every minute is not new each time."""

    def stand(self, progress: Progress, now: float) -> bool:
        """Note where it stands; whether that is news."""
        if self.progress is not None:
            about = self.progress.object
            self.spent[about] = self.spent.get(about, 0.0) + now - self.since
        news, self.progress, self.since = progress != self.progress, progress, now
        return news


@dataclass(kw_only=True)
class Walk:
    """The state of one `follow`."""

    cluster: Cluster
    view: View
    line: Line
    timeouts: Timeouts
    pushed_at: datetime
    clock: Callable[[], float]
    tell: Callable[[Step], None]
    probes: tuple[Probe, ...] = ()
    _tracks: list[_Track] = field(default_factory=list)
    _steps: list[Step] = field(default_factory=list)
    _notes: list[str] = field(default_factory=list)
    _requests: dict[Ref, str] = field(default_factory=dict)
    _fetched: set[Ref] = field(default_factory=set)
    _may_ask: bool = False
    _seen: int = 0
    _probe_at: float = 0.0

    def __post_init__(self) -> None:
        self._began = self.clock()
        contains, lost = self.line.contains, False

        def careful(ancestor: str, descendant: str) -> bool | None:
            nonlocal lost
            try:
                return None if lost else contains(ancestor, descendant)
            except (GitError, GitopsError) as error:
                lost = True
                self._note(f"which commit contains which is not known: {error}")
                return None

        self.line.contains = careful

    @property
    def seconds(self) -> float:
        """Since it began."""
        return self.clock() - self._began

    def begin(self, claims: Sequence[Claim], *, again: bool, ask: bool) -> None:
        """Find out what is followed, and ask it to look now.

        Raises:
            UnmanagedError: nothing can be followed.
        """
        routes: dict[Route, None] = {}
        for claim in claims:
            route = route_of(claim)
            if route is None:
                self._note(f"{claim.edit}: {claim.note or 'no applier of it reads Git'}")
            else:
                routes.setdefault(route)
        if not routes:
            raise UnmanagedError("nothing to follow: no applier reads Git", "raibid gitops owner says who owns what")
        self._tracks = [_Track(route) for route in routes]
        self._may_ask = ask
        if ask:
            for ref in dict.fromkeys(ref for route in routes for ref in self._to_ask(route, again)):
                self._ask(ref)

    def look(self) -> bool:
        """Look at everything that is not final; whether all of it is over: final, or its time used up."""
        self._seen = self.view.count
        for track in self._tracks:
            if track.route:
                self._stand(track, self._at(track.route, track.progress))
        self._fetched |= {source for source in self._sources() if self._has(source)}
        if self.probes and all(track.progress and track.progress.passed for track in self._tracks if track.route):
            self._probe()
        return all(self._over(track) for track in self._tracks)

    def wait(self, timeout: float | None) -> bool:
        """Until something changes or somebody's time is over; whether there is time left at all."""
        left = [self._left(track) for track in self._tracks if not self._over(track)]
        if timeout is not None:
            left.append(timeout - self.seconds)
        if self._probe_at:
            left.append(max(0.0, self._probe_at - self.clock()))
        self.view.wait(self._seen, min(left, default=0.0))
        return timeout is None or self.seconds < timeout

    def result(self, *, waited: bool) -> Result:
        """What became of it."""
        ends = tuple(track.progress for track in self._tracks if track.progress)
        worst = min(ends, key=lambda end: _WORST.index(end.outcome))
        message, happenings = worst.message, self._happenings(worst)
        if worst.outcome is Outcome.NOT_HEALTHY:
            message = "; ".join((message, *self._causes(worst)))
        for track in self._tracks:
            edited = track.route.object if track.route else None
            for change in drift(self.view.get(edited) or {}) if edited else ():
                self._note(f"drift: {change} of {edited}, until its applier looks again")
        if self.line.unsure:
            others = ", ".join(sorted(self.line.unsure))
            self._note(f"only {self.line.sha} itself counts: whether {others} contains it is not known")
        return Result(
            outcome=worst.outcome,
            sha=self.line.sha,
            message=message,
            object=worst.object,
            steps=tuple(self._steps),
            happenings=happenings,
            notes=(*self._notes, *self.view.notes),
            ends=ends,
            timed_out=waited and not worst.done,
            seconds=self.seconds,
        )

    def _at(self, route: Route, before: Progress | None) -> Progress:
        """Where it stands. What looks final is looked at again, as the API server has it at this moment.

        Watches of two kinds are two streams: the Kustomization may say `applied` while we still see the Deployment as
        it was before.
        """
        found = self._looked(route)
        if found.done and found != before:
            for ref in dict.fromkeys((route.applier, *route.below, route.object, found.object)):
                if ref is not None:
                    self.view.refresh(ref)
            found = self._looked(route)
        if second_try.worth_it(found) and self._may_ask:
            if route.applier not in self._requests:
                self._ask(route.applier)
            found = second_try.after_it(found, self.view.get(route.applier), self._requests.get(route.applier, ""))
        return found

    def _looked(self, route: Route) -> Progress:
        look = Look(
            sight=self.view,
            line=self.line,
            pushed_at=self.pushed_at,
            fetched=self._fetched.__contains__,
            requests=lambda ref: self._requests.get(ref, ""),
        )
        return look.walked(route)

    def _probe(self) -> None:
        now = self.clock()
        if now < self._probe_at:
            return
        for probe in self.probes:
            wrong = probe.wrong(self.view.get)
            if wrong:
                self._probe_at = now + probe.repeat if probe.repeat else 0.0
                break
        else:
            wrong, self._probe_at = "", 0.0
        outcome = Outcome.NOT_HEALTHY if wrong else Outcome.HEALTHY
        track = next((track for track in self._tracks if track.route is None), None)
        if track is None:
            track = _Track(None)
            self._tracks.append(track)
        self._stand(track, Progress(outcome, not wrong, wrong or "every probe is answered as wanted"))

    def _stand(self, track: _Track, progress: Progress) -> None:
        if track.stand(progress, self.clock()):
            step = Step(self.seconds, progress)
            self._steps.append(step)
            self.tell(step)

    def _over(self, track: _Track) -> bool:
        return track.progress is not None and (track.progress.done or self._left(track) <= 0)

    def _left(self, track: _Track) -> float:
        if track.progress is None:
            return 0.0
        about = track.progress.object
        spent = track.spent.get(about, 0.0) + self.clock() - track.since
        return budget(about, self.view, self.timeouts) - spent

    def _sources(self) -> set[Ref]:
        found = (self._source(track.route) for track in self._tracks if track.route)
        return {source for source in found if source is not None}

    def _source(self, route: Route) -> Ref | None:
        """The source to ask; an artifact that is made of another is asked through that one."""
        if route.place is not None and route.place.source is not None:
            return route.place.source
        applier = self.view.get(route.applier) if route.applier.group != ARGOCD else None
        chart = chart_of(applier)
        return source_of(self.view.get(chart) if chart else applier)

    def _has(self, source: Ref) -> bool:
        manifest = self.view.get(source)
        return manifest is not None and self.line.has(flux.fetched(manifest)[1])

    def _to_ask(self, route: Route, again: bool) -> list[Ref]:
        if route.applier.group == ARGOCD:
            return [route.applier]
        source = self._source(route)
        # Appliers follow their source by themselves.
        found = [source] if source is not None and not self._has(source) else []
        return [*found, route.applier, *route.below] if again else found

    def _ask(self, ref: Ref) -> None:
        request, note = asked(self.cluster, ref, self.view.get(ref) if ref.group == ARGOCD else None)
        if note:
            self._note(note)
        self._requests[ref] = request

    def _causes(self, progress: Progress) -> list[str]:
        """What the pods say of the object, or of those that the applier's health check waits for."""
        objects = [track.route.object for track in self._tracks if track.route and track.progress == progress]
        try:
            found = (progress.object, *objects, *waited_for(progress.message))
            about = dict.fromkeys(ref for ref in found if ref is not None)
            return [cause for ref in about for cause in causes(self.cluster, ref)]
        except KubeError as error:
            self._note(f"pods were not seen: {error}")
            return []

    def _happenings(self, progress: Progress) -> tuple[Happening, ...]:
        if progress.passed or progress.object is None:
            return ()
        try:
            return tuple(self.cluster.happenings(progress.object))
        except KubeError as error:
            self._note(f"events of {progress.object} were not seen: {error}")
            return ()

    def _note(self, message: str) -> None:
        if message not in self._notes:
            self._notes.append(message)
