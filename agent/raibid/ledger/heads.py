"""What the reconciler remembers: which commit each ref of each watched repository was at when its job was in order.

Owns: the keys `heads:…` and `watched`, their shape; which job a head has.
Leaves to others: what a standing means (`raibid.forge.reconcile`), looking at forges (`raibid.api.reconciler`).

It outlives the dedupe keys, which expire a day after their job's end: what is remembered is not built again. Nothing
here is atomic with `enqueue`, and need not be: a head is remembered after its job is in, so a crash in between only
asks for that job again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
import redis

from raibid.contract import Keys
from raibid.ledger.errors import translated
from raibid.ledger.records import text
from raibid.ledger.scripts import Scripts
from raibid.model.job import JobStatus

_AT_ONCE: Final = 500
"""Keys per script: Redis serves nobody else meanwhile."""


class Watched(msgspec.Struct, frozen=True):
    """A repository as it was last seen."""

    standing: str
    looked: float = 0.0  #: when its heads were last looked at, Unix seconds; 0: never
    tried: float = 0.0  #: when that was last tried, however it went


class KnownJob(msgspec.Struct, frozen=True):
    """The job that stands for a head: the one its dedupe key names, or the last retry of that."""

    id: str
    status: JobStatus
    outdated: bool = False  #: called off for another commit of the same ref


class Heads:
    """The reconciler's memory. Every method raises LedgerUnavailableError when Redis does not answer."""

    def __init__(self, client: redis.Redis, keys: Keys, run: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._run = run

    def watched(self, forge: str) -> dict[str, Watched]:
        """Repository → how it was last seen."""
        with translated():
            fields = cast(dict[bytes, bytes], self._client.hgetall(self._keys.watched))
        start = f"{forge}|"
        named = ((text(name), value) for name, value in fields.items())
        return {n.removeprefix(start): msgspec.json.decode(v, type=Watched) for n, v in named if n.startswith(start)}

    def watch(self, forge: str, seen: Mapping[str, Watched]) -> None:
        """Remember how repositories were seen."""
        if seen:
            fields = {f"{forge}|{name}": msgspec.json.encode(one) for name, one in seen.items()}
            with translated():
                self._client.hset(self._keys.watched, mapping=cast(Any, fields))

    def listed(self, forge: str) -> float:
        """When all repositories of a forge had been seen for the first time; 0: not yet."""
        with translated():
            return float(cast(Any, self._client.hget(self._keys.watched, forge)) or 0.0)

    def note_listed(self, forge: str, now: float) -> None:
        """Remember that all of them have been seen; the first time counts."""
        if not self.listed(forge):
            with translated():
                self._client.hset(self._keys.watched, forge, str(now))

    def note_unlisted(self, forge: str) -> None:
        """Its repositories are not listed any more: the next list is a first one again."""
        with translated():
            self._client.hdel(self._keys.watched, forge)

    def seen(self, forge: str, repository: str) -> dict[str, str]:
        """Ref → commit."""
        with translated():
            fields = cast(dict[bytes, bytes], self._client.hgetall(self._of(forge, repository)))
        return {text(ref): text(sha) for ref, sha in fields.items()}

    def remember(self, forge: str, repository: str, heads: Mapping[str, str]) -> None:
        """These refs are in order at these commits."""
        if heads:
            with translated():
                self._client.hset(self._of(forge, repository), mapping=cast(Any, heads))

    def forget(self, forge: str, repository: str, refs: Iterable[str]) -> None:
        """These refs are gone."""
        if gone := list(refs):
            with translated():
                self._client.hdel(self._of(forge, repository), *gone)

    def drop(self, forge: str, repository: str) -> None:
        """The repository is gone."""
        self.forget(forge, repository, self.seen(forge, repository))
        with translated():
            self._client.hdel(self._keys.watched, f"{forge}|{repository}")

    def rename(self, forge: str, old: str, new: str) -> None:
        """The repository has another name; what is remembered of it stays. Again after a crash is harmless."""
        self.remember(forge, new, self.seen(forge, old))
        if was := self.watched(forge).get(old):
            self.watch(forge, {new: was})
        self.drop(forge, old)

    def clock(self) -> float:
        """The ledger's time, Unix seconds: what `NewJob.seen` is compared with. Our own clock may differ."""
        with translated():
            seconds, micros = self._client.time()
        return seconds + micros / 1_000_000

    def jobs(self, dedupes: Sequence[str]) -> list[KnownJob | None]:
        """For each dedupe key the job that stands for it now; None: none that Redis still has."""
        replies: list[Any] = []
        with translated():
            for start in range(0, len(dedupes), _AT_ONCE):
                replies += self._run("head_jobs", *dedupes[start : start + _AT_ONCE])
        return [KnownJob(text(r[0]), JobStatus(text(r[1])), bool(r[2])) if r else None for r in replies]

    def _of(self, forge: str, repository: str) -> str:
        return f"{self._keys.heads}{forge}|{repository}"
