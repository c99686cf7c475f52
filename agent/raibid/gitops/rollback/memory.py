"""What the rollback controller remembers from one round to the next, and a restart forgets.

Owns: what holds for how long, and what ends it.
Leaves to others: what is decided (`decide.py`), what is done (`controller.py`).

One decision hangs on it: a commit that had passed and was seen failing since, for kustomize-controller 1.9 keeps no
entry of a build that fails, or of a cluster that does not answer. What fails then is nobody's next commit. Everything
else only saves asking again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from raibid.gitops.objects import Condition, Ref
from raibid.gitops.rollback.blame import FAILED
from raibid.gitops.rollback.reading import Reading
from raibid.gitops.rollback.standing import Rollback

LATER: Final = timedelta(minutes=5)
"""What was decided about a failing commit holds so long, unless the branch moves."""
SOON: Final = timedelta(seconds=30)
"""The same where somebody is not done: a newer commit is on its way, or not all of it could be told."""
_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(minutes=5)

Place = tuple[str, str]
"""A repository's URL, as we reach it, and a branch."""
State = tuple[Ref, str, str]
"""What a decision holds for: the object, the commit that it tried, the one that its source offers."""


@dataclass
class Memory:
    """One worker's. Not for several threads at once."""

    looked: dict[Place, str] = field(default_factory=dict)
    """The commit at which a branch's rollbacks were looked for."""
    open: dict[Place, list[Rollback]] = field(default_factory=dict)
    """Those that Flux has not applied."""
    _settled: dict[State, datetime] = field(default_factory=dict)
    _stopped: dict[Ref, str] = field(default_factory=dict)
    _failed_at_good: dict[Ref, str] = field(default_factory=dict)
    _failures: dict[Place, int] = field(default_factory=dict)
    _after: dict[Place, datetime] = field(default_factory=dict)
    _said: dict[Ref, str] = field(default_factory=dict)

    def recalled(self, reading: Reading) -> Reading:
        """A look at an object, with what earlier looks have shown."""
        facts, ready = reading.facts, reading.facts.ready
        if ready is not None and ready.status == "True":
            self._failed_at_good.pop(facts.about, None)
        elif ready is not None and _failed(ready) and facts.attempted == facts.applied:
            self._failed_at_good[facts.about] = facts.applied
        if not facts.applied or self._failed_at_good.get(facts.about) != facts.applied:
            return reading
        return replace(reading, facts=replace(facts, failed_at_good=True))

    def settle(self, state: State, until: datetime) -> None:
        """Decided; it holds until then."""
        self._settled[state] = until

    def settled(self, state: State, now: datetime) -> bool:
        """Whether a decision still holds."""
        self._settled = {known: until for known, until in self._settled.items() if until > now}
        return state in self._settled

    def give_up(self, ref: Ref, bad: str) -> None:
        """Nothing more is done about a commit."""
        self._stopped[ref] = bad

    def gave_up(self, ref: Ref) -> bool:
        """Whether that is so."""
        return ref in self._stopped

    def given_up(self, failing: Mapping[Ref, str]) -> list[Ref]:
        """What is given up and still fails. `failing`: at which commit each fails now; the rest is forgotten."""
        self._stopped = {ref: bad for ref, bad in self._stopped.items() if failing.get(ref) == bad}
        self._failed_at_good = {ref: good for ref, good in self._failed_at_good.items() if ref in failing}
        return list(self._stopped)

    def failed(self, place: Place, now: datetime) -> None:
        """A branch could not be looked at: it is left alone for a while, each time for a longer one."""
        failures = self._failures[place] = self._failures.get(place, 0) + 1
        self._after[place] = now + min(_LONGEST_PAUSE, _PAUSE * 2 ** min(failures - 1, 10))

    def worked(self, place: Place) -> None:
        """It could."""
        self._failures.pop(place, None)
        self._after.pop(place, None)

    def waits(self, place: Place, now: datetime) -> bool:
        """Whether it is too early to look at a branch again."""
        return now < self._after.get(place, now)

    def is_news(self, ref: Ref, words: str) -> bool:
        """Whether something else was said of an object before."""
        before, self._said[ref] = self._said.get(ref), words
        return before != words


def _failed(ready: Condition) -> bool:
    return ready.status == "False" and ready.reason in FAILED
