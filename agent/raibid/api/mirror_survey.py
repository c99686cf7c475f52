"""Which mirrors there are: ours in Gitea, each as `mirrors.yaml` says. Read anew every few minutes.

Owns: when that is done, that the book has the same mirrors, what is wrong when it cannot be done.
Leaves to others: which entry a mirror belongs to (`raibid.mirror.kept`), looking at one (`mirror_keeper.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from raibid.api.mirror_metrics import MirrorMetrics
from raibid.api.patience import Patience
from raibid.forge.errors import CallError
from raibid.forge.gitea.mirrors import GiteaMirrors
from raibid.forge.github.client import site_of
from raibid.git.errors import GitError
from raibid.ledger.mirrors import Mirrors
from raibid.mirror.config import MARK, MirrorsFile
from raibid.mirror.errors import MirrorError
from raibid.mirror.guard import Guard, Resolve
from raibid.mirror.kept import Kept, kept
from raibid.mirror.lint import load
from raibid.mirror.tokens import Tokens
from raibid.model.mirror import MirrorRecord

_log: Final = structlog.get_logger("raibid.api")


@dataclass(frozen=True, kw_only=True)
class MirrorPlaces:
    """Where everything is."""

    file: Path
    """`mirrors.yaml`; read again at each survey."""
    gitea_url: str
    credentials: Path
    tokens: Path | None = None
    github_url: str = ""
    """GitHub's API; empty: github.com's."""

    def gitea(self) -> GiteaMirrors:
        """Raises ForgeLoginError: no line for it."""
        return GiteaMirrors.connect(self.gitea_url, self.credentials)

    @property
    def tokens_by_name(self) -> Tokens:
        """Those that the file may name."""
        return Tokens(self.tokens)


@dataclass(frozen=True)
class Survey:
    """What the last one found."""

    mirrors: Mapping[str, Kept]
    guard: Guard


class MirrorSurvey:
    """Not for several threads at once; `last` may be read by any."""

    def __init__(
        self,
        book: Mirrors,
        places: MirrorPlaces,
        metrics: MirrorMetrics,
        *,
        seconds: float = 300.0,
        resolve: Resolve | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`resolve`: for names of sources' hosts."""
        self._book = book
        self._places = places
        self._metrics = metrics
        self._seconds = seconds
        self._resolve = resolve
        self._clock = clock
        self._patience = Patience[str](first=1.0, longest=60.0)
        self._due = 0.0
        self.last: Survey | None = None
        """None: none has succeeded since the start."""
        self.trouble: str = ""
        """Why the last one failed."""

    def hasten(self) -> None:
        """Do the next one soon: something is not as the last one says."""
        self._due = 0.0

    def round(self) -> None:
        """Do one if it is time. Raises LedgerError."""
        now = self._clock()
        if now < self._due or self._patience.waits("survey"):
            return
        try:
            file = load(self._places.file)
            found = self._found(file)
        except (MirrorError, GitError, CallError, OSError) as error:
            self.trouble = str(error)
            if self._patience.failed("survey"):
                _log.warning("mirrors not surveyed; those known are kept", error=self.trouble)
            return
        if self._patience.succeeded("survey"):
            _log.info("mirrors surveyed again")
        self._note(found, now)
        self.last, self.trouble, self._due = Survey(found, file.guard(self._resolve)), "", now + self._seconds
        self._metrics.surveyed(now)

    def _found(self, file: MirrorsFile) -> dict[str, Kept]:
        site = site_of(self._places.github_url) if self._places.github_url else "https://github.com"
        with self._places.gitea() as gitea:
            return {one.name: one for one in kept(file, gitea.with_topic(MARK), site)}

    def _note(self, found: Mapping[str, Kept], now: float) -> None:
        known = self._book.all()
        for name in found.keys() - known.keys():
            self._book.record(name, MirrorRecord(source=found[name].source))
        self._book.enrol(found, now)
        self._book.forget(known.keys() - found.keys())
