"""Mirrors are looked at when their time has come, when their source was pushed to, and when somebody asks.

Owns: when each is looked at, how many at once, what follows from a look.
Leaves to others: which mirrors there are (`mirror_survey.py`), the look (`raibid.mirror.upkeep`), the book of records,
times and wishes (`raibid.ledger.mirrors`).

Nothing here must survive: the book has the wishes, and a look that died with its process is taken again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec
import structlog

from raibid.api.mirror_metrics import MirrorMetrics
from raibid.api.mirror_survey import MirrorPlaces, MirrorSurvey, Survey
from raibid.api.mirror_view import MirrorView, view
from raibid.forge import Enrolment
from raibid.forge.errors import CallError
from raibid.git.errors import StoppedError
from raibid.git.rooms import Rooms
from raibid.ledger import Ledger, LedgerError
from raibid.ledger.mirrors import Pledge
from raibid.mirror.desired import source_key
from raibid.mirror.kept import Kept
from raibid.mirror.sides import TROUBLE, Sides, begun, differing, troubled
from raibid.mirror.upkeep import Look, Upkeep
from raibid.model.mirror import MirrorRecord, MirrorState
from raibid.store import Store

_log: Final = structlog.get_logger("raibid.api")
_AT_ONCE: Final = 4
_PLEDGED_SECONDS: Final = 120.0
"""Renewed at each round; a look whose process died is begun again after so long. A survey may take a minute."""
_NEVER: Final = 253_402_300_799.0
"""The year 9999: a mirror that is looked at only when asked."""
_FIRST_RETRY: Final = 30.0
_ANNOUNCED_RETRY: Final = 5.0
_ANNOUNCED_SECONDS: Final = 60.0
"""GitHub may tell of a push before its git shows it; for so long it is looked for."""
_GONE: Final = "0" * 40


class MirrorKeeper:
    """Keeps all mirrors. One round at a time; looks go on in threads of their own."""

    def __init__(
        self,
        ledger: Ledger,
        places: MirrorPlaces,
        store: Store,
        enrolment: Enrolment,
        metrics: MirrorMetrics,
        look_at: Callable[[str], object],
        *,
        survey: MirrorSurvey | None = None,
        rooms: Rooms | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`look_at`: told of a mirror whose refs have moved; raises CallError or LedgerError."""
        self._book = ledger.mirrors
        self._places = places
        self._store = store
        self._enrolment = enrolment
        self._metrics = metrics
        self._look_at = look_at
        self._clock = clock
        self.survey: Final = survey or MirrorSurvey(self._book, places, metrics, clock=clock)
        self._rooms = rooms or Rooms()
        self._closing = self._rooms.stop
        self._turn = threading.Lock()
        """Of who begins looks and who ends the keeper."""
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mirror")
        self._free = threading.Semaphore(_AT_ONCE)
        self._held: dict[str, Pledge] = {}

    def close(self) -> None:
        """End the looks that are under way: git at once, a call to Gitea with its answer. What they were taken for is
        due again at once, for whoever comes next.
        """
        with self._turn:
            self._closing.set()
        self._threads.shutdown(wait=True)

    # --- asked by routes -------------------------------------------------------------------------------

    def views(self) -> list[MirrorView]:
        """All mirrors in the book, by name. Raises LedgerError."""
        return [
            view(name, record, ci=self._enrolment.rule(name, mirror=True) is not None)
            for name, record in sorted(self._book.all().items())
        ]

    def named(self, name: str) -> str:
        """The mirror's name as the book spells it; empty: there is no such mirror. Raises LedgerError."""
        return next((one for one in self._book.all() if one.lower() == name.lower()), "")

    def of(self, clone_url: str) -> list[str]:
        """The mirrors of a source. Raises LedgerError."""
        key = source_key(clone_url)
        return [name for name, record in self._book.all().items() if source_key(record.source) == key]

    def ask(self, names: Sequence[str], ref: str = "", sha: str = "") -> None:
        """Look at these soon, their source's `ref` is said to be at `sha`. Raises LedgerError: that is not noted."""
        for name in names:
            self._book.ask(name, self._clock(), ref, sha)

    # --- the rounds ------------------------------------------------------------------------------------

    def round(self) -> int:
        """Begin to look at those whose time has come; how many that are. Raises LedgerError."""
        self.survey.round()
        for pledge in list(self._held.values()):
            self._book.hold(pledge, self._clock() + _PLEDGED_SECONDS)
        looks = 0
        while self._begin_one():
            looks += 1
        return looks

    def _begin_one(self) -> bool:
        with self._turn:
            if self._closing.is_set() or not self._free.acquire(blocking=False):
                return False
            pledge = None
            try:
                if pledge := self._book.take(self._clock(), _PLEDGED_SECONDS):
                    self._held[pledge.name] = pledge
                    self._threads.submit(self._run, pledge)
            finally:
                if pledge is None:
                    self._free.release()
        return pledge is not None

    def _run(self, pledge: Pledge) -> None:
        try:
            self._keep(pledge)
        except StoppedError:
            self._give_back(pledge)
        except LedgerError as error:
            _log.warning("what was found of a mirror is not noted", mirror=pledge.name, error=str(error))
        except Exception:  # noqa: BLE001 - one mirror's bug must not stop the others; it is due again
            _log.exception("mirror not looked at", mirror=pledge.name)
        finally:
            del self._held[pledge.name]
            self._free.release()

    def _give_back(self, pledge: Pledge, again: float | None = None) -> None:
        try:
            self._book.give_back(pledge, again)
        except LedgerError as error:
            _log.warning("a mirror is looked at later than it could be", mirror=pledge.name, error=str(error))

    def _keep(self, pledge: Pledge) -> None:
        before, survey = self._book.get(pledge.name), self.survey.last
        mirror = survey.mirrors.get(pledge.name) if survey else None
        if survey and not mirror:
            # Another process has surveyed since, or somebody has given us one.
            self.survey.hasten()
            self._give_back(pledge, self._clock() + _FIRST_RETRY)
            return
        look = self._look(mirror, survey, before, pledge.since) if mirror and survey else self._unknown(before)
        done = self._done(pledge, look)
        again = self._clock() + _pause(mirror, look.record, waiting=len(done) < len(pledge.announced))
        if not self._book.looked(pledge, again, look.record, done):
            return  # it is no more, or somebody else looks at it by now
        self._metrics.looked(look.record, moved=look.moved)
        self._say(pledge.name, before, look)
        if look.moved:
            self._tell(pledge.name)

    def _look(self, mirror: Kept, survey: Survey, before: MirrorRecord | None, since: float) -> Look:
        sides = Sides(
            gitea_url=self._places.gitea_url,
            credentials=self._places.credentials,
            guard=survey.guard,
            tokens=self._places.tokens_by_name,
            closing=self._closing,
            clock=self._clock,
        )
        try:
            with self._places.gitea() as gitea:
                upkeep = Upkeep(sides=sides, gitea=gitea, store=self._store, rooms=self._rooms)
                return upkeep.look(mirror, before, since=since)
        except StoppedError:
            raise
        except TROUBLE as error:  # no line for Gitea, say
            return Look(troubled(begun(mirror, before, self._clock()), error))

    def _unknown(self, before: MirrorRecord | None) -> Look:
        """Nobody knows how it is kept: that it was verified once must not be all there is to see."""
        last = before or MirrorRecord(source="")
        last = msgspec.structs.replace(last, checked=self._clock())
        reason = f"mirrors are not surveyed: {self.survey.trouble}"
        return Look(differing(last, MirrorState.UNREACHABLE, reason))

    def _done(self, pledge: Pledge, look: Look) -> dict[str, str]:
        """Announcements that the source shows, or that are too old to wait for: a replay, or one that was overtaken."""
        late, source = self._clock() - _ANNOUNCED_SECONDS, look.source
        return {
            ref: told.sha
            for ref, told in pledge.announced.items()
            if told.at < late or (source is not None and source.get(ref, _GONE) == told.sha)
        }

    def _tell(self, name: str) -> None:
        try:
            self._look_at(name)
        except (CallError, LedgerError) as error:
            # The reconciler's next round finds the same.
            _log.warning("a mirror's new heads are not looked at yet", mirror=name, error=str(error))

    def _say(self, name: str, before: MirrorRecord | None, look: Look) -> None:
        record = look.record
        if record.bundle and record.bundle != (before.bundle if before else ""):
            _log.warning("bundle kept before a sync", mirror=name, bundle=record.bundle)
        if before and before.state is record.state:
            return
        if record.state is MirrorState.VERIFIED:
            _log.info("mirror verified", mirror=name, branches=record.branches)
        else:
            _log.warning("mirror not verified", mirror=name, state=str(record.state), reason=record.reason)


def _pause(mirror: Kept | None, record: MirrorRecord, *, waiting: bool) -> float:
    """Seconds until it is looked at again; sooner while it is not verified, or a push was announced and not seen."""
    usual = (mirror.interval if mirror else 0) or _NEVER
    if record.state is not MirrorState.VERIFIED:
        usual = min(usual, _FIRST_RETRY * 2.0 ** min(record.errors - 1, 10))
    return min(usual, _ANNOUNCED_RETRY) if waiting else usual
