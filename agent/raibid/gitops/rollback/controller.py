"""The rollback controller's round: look at everything that Flux applies, take back what has to be, tell about it.

Owns: what is looked at in a round, and in which order; errors as things to try later.
Leaves to others: the decision (`decide.py`), carrying it out (`acting.py`), how far reverts are (`standing.py`), the
records (`records.py`), what is not looked at again (`memory.py`), when there is a round (`process.py`).

What was taken back is in Git's trailers, how far it is in the cluster, and records are found again by what they are
about: a restart loses nothing of it. Two controllers at once meet at the push: the second one's is refused,
it fetches the first one's revert, decides again, and finds that nothing is left to do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
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
from raibid.gitops.rollback.memory import LATER, SOON, Memory, Place
from raibid.gitops.rollback.metrics import Metrics
from raibid.gitops.rollback.reading import Reading, examine, read
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
    memory: Memory = field(default_factory=Memory)

    def round(self) -> bool:
        """Look at everything once; whether something is under way, so that the next look should be soon.

        Raises:
            KubeError: the cluster does not even say what there is.
        """
        now, asked = self.now(), self.settings
        found = watched(self.cluster, asked.namespace, asked.releases, self._trouble)
        everything = [replace(item, reading=self.memory.recalled(item.reading)) for item in found]
        places: dict[Place, list[Watched]] = {}
        for item in everything:
            if place := self._place(item):
                places.setdefault(place, []).append(item)
        busy = False
        for place, items in places.items():
            waits = self.memory.waits(place, now)
            busy = waits or self._visited(place, items, now) or busy
        given_up = self.memory.given_up({item.ref: item.facts.attempted for item in everything if not item.ready})
        self.metrics.stopped((ref.namespace, ref.kind, ref.name) for ref in given_up)
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
            self.memory.failed(place, now)
            self._trouble(f"{place[0]} {place[1]}", error)
            return True
        self.memory.worked(place)
        return busy

    def _visit(self, place: Place, items: Sequence[Watched], now: datetime) -> bool:
        waiting = [item for item in items if self._by_objects(item, now)]
        suspects = [item for item in items if self._suspicious(item, now)]
        fetched = next((item.facts.fetched for item in items if item.facts.fetched), "")
        if suspects or fetched != self.memory.looked.get(place):
            with self._checkout(place) as checkout:
                self._follow(place, items, rollbacks(checkout, now), now, checkout.contains)
                acted = False
                for item in suspects:
                    acted = self._consider(item, checkout, now) or acted
                if acted:
                    self._follow(place, items, rollbacks(checkout, now), now, checkout.contains)
            self.memory.looked[place] = fetched
        elif self.memory.open.get(place):
            self._follow(place, items, self.memory.open[place], now)
        return bool(waiting or suspects or self.memory.open.get(place))

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
        return worth_looking(item.facts, now=now) and not self.memory.settled(item.state, now)

    def _consider(self, item: Watched, checkout: Checkout, now: datetime) -> bool:
        """Decide about a failing object with Git's help, and do it; whether the branch has moved by it."""
        reading = examine(item.reading, checkout, now=now)
        decision = decide(reading.facts, now=now)
        self._explain(item, decision)
        self.memory.settle(item.state, now + (SOON if decision.kind is Kind.WAIT else LATER))
        match decision.kind:
            case Kind.ROLL_BACK | Kind.PULL_REQUEST:
                return self._act(item, reading, decision, checkout, now)
            case Kind.STOP:
                self._stop(item, reading, decision, decision.reason, checkout, now)
        return False

    def _act(self, item: Watched, reading: Reading, decision: Decision, checkout: Checkout, now: datetime) -> bool:
        culprit, good = _culprit(reading, decision), decision.good
        actor = Actor(self.settings, checkout, self._read, self.now)
        try:
            landed = actor.act(reading, decision, item.words, culprit)
        except RevertError as error:
            self._stop(item, reading, decision, str(error), checkout, now)
            return False
        if landed is None:
            # Something has changed since the round began; if it was the branch, the checkout has it now.
            self.memory.settle(item.state, now + SOON)
            return True
        if landed.branch == checkout.branch:
            self._say("reverted", item, f"{decision.bad[:12]} by {landed.sha[:12]}", always=True)
            self.metrics.result(Stage.REVERTED)
            self._ask_source(item)
            return True
        if landed.declined:
            self._say("declined", item, f"somebody closed {landed.url}: nothing more is done about {culprit[:12]}")
        affair = item.affair(Stage.PROPOSED, bad=culprit, good=good, word=decision.reason, pull=landed.url)
        self._told(item, affair, checkout.url, now)
        return False

    def _read(self, ref: Ref) -> Reading:
        return self.memory.recalled(read(self.cluster, ref))

    def _stop(
        self, item: Watched, reading: Reading, decision: Decision, why: str, checkout: Checkout, now: datetime
    ) -> None:
        self.memory.give_up(item.ref, decision.bad)
        culprit = _culprit(reading, decision)
        ours = next((one for one in rollbacks(checkout, now) if one.sha == culprit), None)
        affair = item.affair(Stage.STOPPED, bad=culprit, good=decision.good, word=why, rollback=ours)
        self._told(item, affair, checkout.url, now)

    def _told(self, item: Watched, affair: Affair, url: str, now: datetime) -> None:
        if not self._record(item, affair, url, now):
            self.memory.settle(item.state, now + SOON)

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
            if not progress.passed and self.memory.gave_up(item.ref):
                continue  # it has been told how that ended
            if progress.done and not progress.passed:
                # It fails as well: that is decided like any other failure. Its first health check may have seen what
                # the bad commit left (`watch.second_try`), and the next one passes.
                left.append(rollback)
                continue
            affair = item.affair(Stage.HEALTHY if progress.passed else Stage.REVERTED, rollback=rollback)
            known = self.recorder.known(affair)
            if progress.passed and not known:
                self.metrics.healthy((now - rollback.at).total_seconds())
                self._say("healthy", item, f"again, with {rollback.sha[:12]}", always=True)
            if not self._record(item, affair, place[0], now) or not progress.passed:
                left.append(rollback)
        self.memory.open[place] = left

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
        if self.memory.is_news(item.ref, f"{kind} {message}") or always:
            self.tell(Told(kind, f"{item.ref.namespace}/{item.ref.name}", message))

    def _trouble(self, about: str, error: Exception) -> None:
        self.metrics.trouble(type(error).__name__)
        self.tell(Told("trouble", about, str(error)))


def _culprit(reading: Reading, decision: Decision) -> str:
    """The newest commit that touched what fails: whose issue it is. The failing one may have come after it."""
    branch = reading.facts.branch
    return branch.suspects[0].sha if branch and branch.suspects else decision.bad
