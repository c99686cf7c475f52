"""The rollback controller's round: look at everything that Flux applies, take back what has to be, tell about it.

Owns: what is looked at in a round and what not again, errors as things to try later.
Leaves to others: the decision (`decide.py`), carrying it out (`acting.py`), how far reverts are (`standing.py`), the
records (`records.py`), when there is a round (`process.py`).

It keeps nothing that a restart could lose: what was taken back is in Git's trailers, how far it is in the cluster, and
records are found again by what they are about. Two controllers at once meet at the push: the second one's is refused,
it fetches the first one's revert, decides again, and finds that nothing is left to do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from raibid.forge.errors import CallError
from raibid.git.cli import Git
from raibid.git.errors import GitError
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.cluster import Cluster
from raibid.gitops.errors import GitopsError, RevertError
from raibid.gitops.objects import Ref
from raibid.gitops.rollback.acting import Actor
from raibid.gitops.rollback.controller_settings import ControllerSettings
from raibid.gitops.rollback.decide import Decision, Kind, decide, worth_looking
from raibid.gitops.rollback.metrics import Metrics
from raibid.gitops.rollback.reading import Reading, examine
from raibid.gitops.rollback.recorder import Recorder
from raibid.gitops.rollback.records import Affair, Stage
from raibid.gitops.rollback.standing import Rollback, progress_of, rollbacks
from raibid.gitops.rollback.telling import Tell, Told
from raibid.gitops.rollback.watched import Watched, watched
from raibid.gitops.watch.asking import ask
from raibid.gitops.watch.revisions import Contains, unknown
from raibid.kube.errors import KubeError

FORESEEN: Final = (GitopsError, GitError, CallError, KubeError)
"""What may fail outside of us; anything else is a mistake of ours, and ends the process."""
_LATER: Final = timedelta(minutes=5)
"""What was decided about a failing commit holds so long, unless the branch moves."""
_SOON: Final = timedelta(seconds=30)
"""The same where somebody is not done: a newer commit is on its way, or not all of it could be told."""
_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(minutes=5)

Place = tuple[str, str]
"""A repository's URL, as we reach it, and a branch."""


@dataclass
class Controller:
    """One worker's. Not for several threads at once."""

    settings: ControllerSettings
    cluster: Cluster
    git: Git
    recorder: Recorder
    metrics: Metrics
    tell: Tell
    now: Callable[[], datetime]
    _looked: dict[Place, str] = field(default_factory=dict)
    """The commit at which a branch's rollbacks were looked for."""
    _open: dict[Place, list[Rollback]] = field(default_factory=dict)
    """Those that Flux has not applied."""
    _settled: dict[tuple[Ref, str, str], datetime] = field(default_factory=dict)
    """Decided, and until when that holds."""
    _stopped: dict[Ref, str] = field(default_factory=dict)
    """Given up, at which commit."""
    _failures: dict[Place, int] = field(default_factory=dict)
    _after: dict[Place, datetime] = field(default_factory=dict)
    _said: dict[Ref, str] = field(default_factory=dict)

    def round(self) -> bool:
        """Look at everything once; whether something is under way, so that the next look should be soon.

        Raises:
            KubeError: the cluster does not even say what there is.
        """
        now, asked = self.now(), self.settings
        everything = list(watched(self.cluster, asked.namespace, asked.releases, self._trouble))
        self._settled = {state: until for state, until in self._settled.items() if until > now}
        places: dict[Place, list[Watched]] = {}
        for item in everything:
            if place := self._place(item):
                places.setdefault(place, []).append(item)
        busy = False
        for place, items in places.items():
            waits = now < self._after.get(place, now)
            busy = waits or self._visited(place, items, now) or busy
        failing = {item.ref: item.facts.attempted for item in everything if not item.ready}
        self._stopped = {ref: bad for ref, bad in self._stopped.items() if failing.get(ref) == bad}
        self.metrics.stopped((ref.namespace, ref.kind, ref.name) for ref in self._stopped)
        self.metrics.looked(now.timestamp())
        return busy

    def _place(self, item: Watched) -> Place | None:
        found = item.reading.place
        if found is None or not found.branch:
            return None
        try:
            return self.settings.gitops.reachable(found.repository), found.branch
        except GitopsError as error:
            if not item.ready:
                self._say("not ours", item, str(error))
            return None

    def _visited(self, place: Place, items: Sequence[Watched], now: datetime) -> bool:
        """One branch's round; an outage of its forge does not keep the others waiting."""
        try:
            busy = self._visit(place, items, now)
        except FORESEEN as error:
            failures = self._failures[place] = self._failures.get(place, 0) + 1
            self._after[place] = now + min(_LONGEST_PAUSE, _PAUSE * 2 ** min(failures - 1, 10))
            self._trouble(f"{place[0]} {place[1]}", error)
            return True
        self._failures.pop(place, None)
        self._after.pop(place, None)
        return busy

    def _visit(self, place: Place, items: Sequence[Watched], now: datetime) -> bool:
        waiting = [item for item in items if self._by_objects(item, now)]
        suspects = [item for item in items if self._suspicious(item, now)]
        fetched = next((item.facts.fetched for item in items if item.facts.fetched), "")
        if suspects or fetched != self._looked.get(place):
            with self._checkout(place) as checkout:
                self._follow(place, items, rollbacks(checkout, now), now, checkout.contains)
                acted = False
                for item in suspects:
                    acted = self._consider(item, checkout, now) or acted
                if acted:
                    self._follow(place, items, rollbacks(checkout, now), now, checkout.contains)
            self._looked[place] = fetched
        elif self._open.get(place):
            self._follow(place, items, self._open[place], now)
        return bool(waiting or suspects or self._open.get(place))

    def _by_objects(self, item: Watched, now: datetime) -> bool:
        """Whether it fails and it is too early to say more; Flux is asked to try once more."""
        if worth_looking(item.facts, now=now):
            return False
        decision = decide(item.facts, now=now)
        self._explain(item, decision)
        if decision.ask_again and item.ask_again(self.cluster):
            self._say("asked", item, f"failed once at {decision.bad[:12]}: Flux tries again", always=True)
        return decision.kind is Kind.WAIT and bool(decision.bad)

    def _suspicious(self, item: Watched, now: datetime) -> bool:
        return item.state not in self._settled and worth_looking(item.facts, now=now)

    def _consider(self, item: Watched, checkout: Checkout, now: datetime) -> bool:
        """Decide about a failing object with Git's help, and do it; whether the branch has moved by it."""
        reading = examine(item.reading, checkout, now=now)
        decision = decide(reading.facts, now=now)
        self._explain(item, decision)
        self._settled[item.state] = now + (_SOON if decision.kind is Kind.WAIT else _LATER)
        match decision.kind:
            case Kind.ROLL_BACK | Kind.PULL_REQUEST:
                return self._act(item, reading, decision, checkout, now)
            case Kind.STOP:
                self._stop(item, reading, decision, decision.reason, checkout, now)
        return False

    def _act(self, item: Watched, reading: Reading, decision: Decision, checkout: Checkout, now: datetime) -> bool:
        try:
            landed = Actor(self.settings, checkout, self.now).act(reading, decision, item.words)
        except RevertError as error:
            self._stop(item, reading, decision, str(error), checkout, now)
            return False
        if landed is None:
            return True  # somebody else was quicker, and what they did is in the checkout now
        if landed.branch == checkout.branch:
            self._say("reverted", item, f"{decision.bad[:12]} by {landed.sha[:12]}", always=True)
            self.metrics.result(Stage.REVERTED)
            self._ask_source(item)
            return True
        culprit, good = _culprit(reading, decision), decision.good
        affair = item.affair(Stage.PROPOSED, bad=culprit, good=good, word=decision.reason, pull=landed.url)
        self._told(item, affair, checkout.url, now)
        return False

    def _stop(
        self, item: Watched, reading: Reading, decision: Decision, why: str, checkout: Checkout, now: datetime
    ) -> None:
        self._stopped[item.ref] = decision.bad
        culprit = _culprit(reading, decision)
        ours = next((one for one in rollbacks(checkout, now) if one.sha == culprit), None)
        affair = item.affair(Stage.STOPPED, bad=culprit, good=decision.good, word=why, rollback=ours)
        self._told(item, affair, checkout.url, now)

    def _told(self, item: Watched, affair: Affair, url: str, now: datetime) -> None:
        if not self._record(item, affair, url, now):
            self._settled[item.state] = now + _SOON

    def _ask_source(self, item: Watched) -> None:
        place = item.reading.place
        if place is not None and place.source is not None:
            _, refused = ask(self.cluster, place.source)
            if refused:
                self._say("not asked", item, refused, always=True)

    def _follow(
        self, place: Place, items: Sequence[Watched], found: Iterable[Rollback], now: datetime,
        contains: Contains = unknown,
    ) -> None:  # fmt: skip
        """Tell how far each rollback is; those that are not there yet stay open."""
        by_name = {f"{item.ref.namespace}/{item.ref.name}": item for item in reversed(items)}
        left = []
        for rollback in found:
            item = by_name.get(rollback.about)
            if item is None:
                continue
            progress = progress_of(item.manifest, item.ref, rollback, contains)
            if progress.done and not progress.passed:
                # It fails as well: that is decided like any other failure. Its first health check may have seen what
                # the bad commit left (`watch.second_try`), and the next one passes.
                if item.ref not in self._stopped:
                    left.append(rollback)
                continue
            affair = item.affair(Stage.HEALTHY if progress.passed else Stage.REVERTED, rollback=rollback)
            known = self.recorder.known(affair)
            if progress.passed and not known:
                self.metrics.healthy((now - rollback.at).total_seconds())
                self._say("healthy", item, f"again, with {rollback.sha[:12]}", always=True)
            if not self._record(item, affair, place[0], now) or not progress.passed:
                left.append(rollback)
        self._open[place] = left

    def _record(self, item: Watched, affair: Affair, url: str, now: datetime) -> bool:
        if self.recorder.known(affair):
            return True
        told = self.recorder.record(replace(affair, happenings=item.happenings()), url, now)
        if told and affair.stage is not Stage.REVERTED:  # that one is counted where it is done
            self.metrics.result(affair.stage)
        if affair.stage in (Stage.STOPPED, Stage.PROPOSED):
            self._say(affair.stage, item, affair.pull or affair.word)
        return told

    @contextmanager
    def _checkout(self, place: Place) -> Iterator[Checkout]:
        with tempfile.TemporaryDirectory(prefix="raibid-rollback-", dir=self.settings.scratch) as directory:
            yield Checkout.open(*place, Path(directory) / "fleet", self.git)

    def _explain(self, item: Watched, decision: Decision) -> None:
        if not item.ready:
            self._say(decision.kind, item, decision.reason)

    def _say(self, kind: str, item: Watched, message: str, *, always: bool = False) -> None:
        """Once, until it is something else: a round comes every few seconds."""
        if always or self._said.get(item.ref) != f"{kind} {message}":
            self._said[item.ref] = f"{kind} {message}"
            self.tell(Told(kind, f"{item.ref.namespace}/{item.ref.name}", message))

    def _trouble(self, about: str, error: Exception) -> None:
        self.metrics.trouble(type(error).__name__)
        self.tell(Told("trouble", about, str(error)))


def _culprit(reading: Reading, decision: Decision) -> str:
    """The newest commit that touched what fails: whose issue it is. The failing one may have come after it."""
    branch = reading.facts.branch
    return branch.suspects[0].sha if branch and branch.suspects else decision.bad
