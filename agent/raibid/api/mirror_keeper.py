"""Mirrors are looked at when their time has come, when their source was pushed to, and when somebody asks.

Owns: which mirrors there are, when each is looked at, how many at once, what follows from a look.
Leaves to others: the look (`raibid.mirror.upkeep`), the book of records and times (`raibid.ledger.mirrors`).

Nothing here must survive: the book has the wishes, and a look that died with its process is taken again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import structlog

from raibid.api.mirror_metrics import MirrorMetrics
from raibid.api.patience import Patience
from raibid.forge import Enrolment
from raibid.forge.errors import CallError
from raibid.forge.gitea.mirrors import GiteaMirrors
from raibid.ledger import Ledger, LedgerError
from raibid.mirror.config import MARK
from raibid.mirror.desired import source_key
from raibid.mirror.errors import MirrorError
from raibid.mirror.git import Git
from raibid.mirror.guard import Guard, Resolve
from raibid.mirror.kept import Kept, kept
from raibid.mirror.lint import load
from raibid.mirror.tokens import Tokens
from raibid.mirror.upkeep import Look, Upkeep
from raibid.model.mirror import MirrorRecord, MirrorState
from raibid.store import Store

_log: Final = structlog.get_logger("raibid.api")
_AT_ONCE: Final = 4
_TAKEN_SECONDS: Final = 900.0
"""A look that takes longer, or whose process died, is begun again: the longest git command has 600 s."""
_NEVER: Final = 253_402_300_799.0
"""The year 9999: a mirror that is looked at only when asked."""
_FIRST_RETRY: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class MirrorPlaces:
    """Where everything is."""

    file: Path
    """`mirrors.yaml`; read again at each survey."""
    gitea_url: str
    credentials: Path
    tokens: Path | None = None


class MirrorView(msgspec.Struct, frozen=True, kw_only=True):
    """A mirror as `GET /mirrors` shows it. Times are Unix seconds, 0 for never."""

    name: str
    source: str
    state: MirrorState
    checked: float
    verified: float
    behind: float
    seconds: float
    errors: int
    reason: str
    bundle: str
    branches: int
    ci: bool  #: whether its pushes are built


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
        survey_seconds: float = 300.0,
        resolve: Resolve | None = None,
        patience: Patience[str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`look_at`: told of a mirror whose heads have moved; raises CallError or LedgerError."""
        self._ledger = ledger
        self._places = places
        self._store = store
        self._enrolment = enrolment
        self._metrics = metrics
        self._look_at = look_at
        self._survey_seconds = survey_seconds
        self._resolve = resolve
        self._patience = patience or Patience(first=1.0, longest=60.0)
        self._clock = clock
        self._closing = threading.Event()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mirror")
        self._free = threading.Semaphore(_AT_ONCE)
        self._kept: dict[str, Kept] = {}
        self._guard = Guard()
        self._surveyed = 0.0

    def close(self) -> None:
        """Let looks that are under way end soon; what they did not finish is taken up again later."""
        self._closing.set()
        self._threads.shutdown(wait=True)

    # --- asked by routes -------------------------------------------------------------------------------

    def views(self) -> list[MirrorView]:
        """All mirrors in the book, by name. Raises LedgerError."""
        return [
            MirrorView(
                name=name,
                ci=self._enrolment.rule(name, mirror=True) is not None,
                **{field: getattr(record, field) for field in MirrorRecord.__struct_fields__},
            )
            for name, record in sorted(self._ledger.mirrors.all().items())
        ]

    def named(self, name: str) -> str:
        """The mirror's name as the book spells it; empty: there is no such mirror. Raises LedgerError."""
        return next((one for one in self._ledger.mirrors.all() if one.lower() == name.lower()), "")

    def of(self, clone_url: str) -> list[str]:
        """The mirrors of a source. Raises LedgerError."""
        key = source_key(clone_url)
        return [name for name, record in self._ledger.mirrors.all().items() if source_key(record.source) == key]

    def ask(self, names: Sequence[str]) -> None:
        """Look at these soon. Raises LedgerError: the wish is not noted."""
        for name in names:
            self._ledger.mirrors.ask(name, self._clock())

    # --- the rounds ------------------------------------------------------------------------------------

    def round(self) -> int:
        """Begin to look at those whose time has come; how many that are. Raises LedgerError."""
        now = self._clock()
        if now >= self._surveyed + self._survey_seconds and not self._patience.waits("survey"):
            self._survey(now)
        begun = 0
        while self._kept and self._free.acquire(blocking=False):
            taken = self._ledger.mirrors.take(self._clock(), _TAKEN_SECONDS, 1)
            if not taken:
                self._free.release()
                break
            ((name, pledge),) = taken.items()
            self._threads.submit(self._begin, name, pledge)
            begun += 1
        return begun

    def _survey(self, now: float) -> None:
        """Which mirrors there are: ours in Gitea, each as the file says."""
        try:
            file = load(self._places.file)
            with self._gitea() as gitea:
                found = {one.name: one for one in kept(file, gitea.with_topic(MARK))}
        except (MirrorError, CallError) as error:
            if self._patience.failed("survey"):
                _log.warning("mirrors not surveyed; those known are kept", error=str(error))
            return
        if self._patience.succeeded("survey"):
            _log.info("mirrors surveyed again")
        self._kept, self._guard, self._surveyed = found, file.guard(self._resolve), now
        known = self._ledger.mirrors.all()
        for name in found.keys() - known.keys():
            self._ledger.mirrors.record(name, MirrorRecord(source=found[name].source))
        self._ledger.mirrors.enrol(found, now)
        self._ledger.mirrors.forget(known.keys() - found.keys())

    def _begin(self, name: str, pledge: int) -> None:
        try:
            mirror = self._kept.get(name)
            if mirror:
                self._keep(mirror, pledge)
        except LedgerError as error:
            _log.warning("what was found of a mirror is not noted", mirror=name, error=str(error))
        except Exception:  # noqa: BLE001 - one mirror's bug must not stop the others; it is due again
            _log.exception("mirror not looked at", mirror=name)
        finally:
            self._free.release()

    def _keep(self, mirror: Kept, pledge: int) -> None:
        before = self._ledger.mirrors.get(mirror.name)
        with self._gitea() as gitea:
            look = self._upkeep(gitea).look(mirror, before)
        self._ledger.mirrors.record(mirror.name, look.record)
        self._metrics.looked(look.record, moved=look.moved)
        self._say(mirror.name, before, look)
        if look.moved:
            self._tell(mirror.name)
        self._ledger.mirrors.looked(mirror.name, pledge, self._clock() + _pause(mirror, look.record))

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

    def _gitea(self) -> GiteaMirrors:
        return GiteaMirrors.connect(self._places.gitea_url, self._places.credentials)

    def _upkeep(self, gitea: GiteaMirrors) -> Upkeep:
        return Upkeep(
            gitea=gitea,
            gitea_url=self._places.gitea_url,
            gitea_git=Git(credentials=self._places.credentials),
            guard=self._guard,
            tokens=Tokens(self._places.tokens),
            store=self._store,
            closing=self._closing,
            clock=self._clock,
        )


def _pause(mirror: Kept, record: MirrorRecord) -> float:
    """Seconds until it is looked at again; sooner while it is not verified."""
    usual = mirror.interval or _NEVER
    if record.state is MirrorState.VERIFIED:
        return usual
    return min(usual, _FIRST_RETRY * 2.0 ** min(record.errors - 1, 10))
