"""One watch from its beginning to its result: who is asked, what changed, whose time is over, what was final.

Owns: the order (every route, then wished values, then probes), the second look before a progress counts as final, who
is asked to try once more, the result.
Leaves to others: the stages of a route (`route.py`), spent time (`track.py`), budgets (`budget.py`), what is seen and
waking up (`view.py`), what else there is to say (`reasons.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from raibid.gitops.cluster import Cluster
from raibid.gitops.errors import UnmanagedError
from raibid.gitops.groups import ARGOCD
from raibid.gitops.objects import Ref, status_of
from raibid.gitops.owner.ownership import Claim
from raibid.gitops.settings import Timeouts
from raibid.gitops.watch import flux, second_try
from raibid.gitops.watch.asking import ask as asked
from raibid.gitops.watch.budget import LONGEST, budget
from raibid.gitops.watch.outcome import Outcome, Progress, Result, Step
from raibid.gitops.watch.patient import Patient
from raibid.gitops.watch.probe import Probe
from raibid.gitops.watch.reasons import Reasons, drifted
from raibid.gitops.watch.revisions import Line
from raibid.gitops.watch.route import Look, Route, chart_of, route_of, source_of
from raibid.gitops.watch.track import Track
from raibid.gitops.watch.view import Live
from raibid.gitops.watch.wished import Wished

_WORST: Final = (
    Outcome.FAILING, Outcome.NOT_HEALTHY, Outcome.SUPERSEDED, Outcome.NOT_FETCHED, Outcome.SUSPENDED,
    Outcome.AWAITING_SYNC, Outcome.NOT_ATTEMPTED, Outcome.HEALTHY,
)  # fmt: skip
"""Of several appliers, whose outcome is the result's: what explains the others comes first."""


@dataclass(kw_only=True)
class Walk:
    """The state of one `follow`."""

    cluster: Cluster
    view: Live
    line: Line
    timeouts: Timeouts
    pushed_at: datetime
    clock: Callable[[], float]
    tell: Callable[[Step], None]
    wished: tuple[Wished, ...] = ()
    probes: tuple[Probe, ...] = ()
    _tracks: list[Track] = field(default_factory=list)
    """Of each route."""
    _last: dict[Wished | None, Track] = field(default_factory=dict)
    """Of what is looked at after them; None: the probes."""
    _steps: list[Step] = field(default_factory=list)
    _notes: list[str] = field(default_factory=list)
    _requests: dict[Ref, str] = field(default_factory=dict)
    _repeated: set[tuple[Outcome | Wished, Ref]] = field(default_factory=set)
    """For what each applier was asked to try once more; once."""
    _fetched: set[Ref] = field(default_factory=set)
    _may_ask: bool = False
    _seen: int = 0
    _looked_at: float = 0.0
    _probe_at: float | None = None

    def __post_init__(self) -> None:
        self._began = self.clock()
        self._repository = Patient(
            asked=self.line.contains, asked_reverts=self.line.reverts, clock=self.clock, note=self._note
        )
        self.line.contains, self.line.reverts = self._repository.contains, self._repository.reverts

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
        self._tracks = [Track(route) for route in routes]
        self._may_ask = ask
        if ask:
            for ref in dict.fromkeys(ref for route in routes for ref in self._to_ask(route, again)):
                self._ask(ref)

    def look(self) -> bool:
        """Look at everything that is not final; whether all of it is over: final, or its time used up."""
        self._seen, self._looked_at = self.view.count, self.clock()
        for track in self._tracks:
            if track.route:
                self._stand(track, self._at(track.route, track.progress))
        self._fetched |= {source for source in self._sources() if self._has(source)}
        if all(track.passed for track in self._tracks):
            self._look_further()
        return all(self._over(track) for track in self._all)

    def wait(self, timeout: float | None) -> bool:
        """Until something changes or somebody's time is over; whether there is time left at all."""
        left = [self._left(track) for track in self._all if not self._over(track)]
        if timeout is not None:
            left.append(timeout - self.seconds)
        # What was due at the last look, and was not asked again by it, is nobody's question any more.
        again = (at for at in (self._probe_at, self._repository.again) if at is not None and at > self._looked_at)
        left += [max(0.0, at - self.clock()) for at in again]
        self.view.wait(self._seen, min(left, default=0.0))
        return timeout is None or self.seconds < timeout

    def result(self, *, waited: bool) -> Result:
        """What became of it."""
        ends = tuple(track.progress for track in self._all if track.progress)
        worst = min(ends, key=lambda end: _WORST.index(end.outcome))
        routes = [(track.route, track.progress) for track in self._tracks if track.route]
        reasons = Reasons(self.cluster, self._note)
        message = reasons.message(worst, [route.object for route, end in routes if route.object and end == worst])
        happenings = reasons.happenings(worst)
        for line in drifted([route.object for route, _ in routes if route.object], self.view):
            self._note(line)
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

    @property
    def _all(self) -> list[Track]:
        return [*self._tracks, *self._last.values()]

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
        if second_try.worth_it(found) and found.object and self._try_again(found.object, found.outcome):
            found = self._looked(route)
        return found

    def _try_again(self, applier: Ref, why: Outcome | Wished) -> bool:
        """Ask it once for that, and never again; whether it was asked now."""
        if not self._may_ask or (why, applier) in self._repeated:
            return False
        self._repeated.add((why, applier))
        self._ask(applier)
        return True

    def _looked(self, route: Route) -> Progress:
        look = Look(
            sight=self.view,
            line=self.line,
            pushed_at=self.pushed_at,
            fetched=self._fetched.__contains__,
            requests=lambda ref: self._requests.get(ref, ""),
        )
        return look.walked(route)

    def _look_further(self) -> None:
        """What comes after the routes; probes, once every value is as wished."""
        for wished in self.wished:
            self._stand(self._last.setdefault(wished, Track()), self._granted(wished))
        if self.probes and all(track.passed for wished, track in self._last.items() if wished):
            self._probe()

    def _granted(self, wished: Wished) -> Progress:
        """Whether the values are there. If not, they may be by another try of what applies them: not final before."""
        about = wished.ref
        # A watch of the object may be behind the one of its applier.
        wrong = wished.wrong(self.view.get(about)) and wished.wrong(self.view.refresh(about))
        if not wrong:
            return Progress(Outcome.HEALTHY, True, "it is as it was wished", about)
        routes = [track.route for track in self._tracks if track.route]
        own = [route for route in routes if about in (route.object, *route.below)]
        appliers = [route.applier for route in own or routes]
        for applier in appliers:
            self._try_again(applier, wished)
        return Progress(Outcome.NOT_HEALTHY, all(self._handled(applier) for applier in appliers), wrong, about)

    def _handled(self, applier: Ref) -> bool:
        """Whether a Flux applier has done what it was asked for; no status of an Application tells."""
        request = self._requests.get(applier, "")
        return bool(request) and status_of(self.view.get(applier) or {}).get("lastHandledReconcileAt") == request

    def _probe(self) -> None:
        now = self.clock()
        if self._probe_at is not None and now < self._probe_at:
            return
        self._probe_at, wrong = None, ""
        for probe in self.probes:
            wrong = probe.wrong(self.view.get)
            if wrong:
                self._probe_at = now + probe.repeat if probe.repeat else None
                break
        outcome = Outcome.NOT_HEALTHY if wrong else Outcome.HEALTHY
        progress = Progress(outcome, not wrong, wrong or "every probe is answered as wanted")
        self._stand(self._last.setdefault(None, Track()), progress)

    def _stand(self, track: Track, progress: Progress) -> None:
        if track.stand(progress, self.clock()):
            step = Step(self.seconds, progress)
            self._steps.append(step)
            self.tell(step)

    def _over(self, track: Track) -> bool:
        return track.progress is not None and (track.progress.done or self._left(track) <= 0)

    def _left(self, track: Track) -> float:
        if track.progress is None:
            return 0.0
        about = track.progress.object
        allowed = budget(about, self.view, self.timeouts)
        if allowed >= LONGEST:
            self._note(f"{about or 'a probe'} is waited for no longer than a day, whatever its timeout says")
        return allowed - track.at(about, self.clock())

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

    def _note(self, message: str) -> None:
        if message not in self._notes:
            self._notes.append(message)
