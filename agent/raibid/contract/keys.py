"""What the ledger's keys in Redis are called.

Owns: the work stream, its consumer group, every other key.
Leaves to others: what the keys hold (`raibid.ledger`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STREAM: Final = "ci-jobs"
"""The work stream: one entry per job that an agent may take now; KEDA reads its length."""

GROUP: Final = "ci-workers"
"""The consumer group, created at 0 so that nothing queued before it is skipped."""


@dataclass(frozen=True)
class Keys:
    """The ledger's Redis keys; all share the stream's hash tag (`ci-jobs` and `{ci-jobs}:…` hash alike)."""

    stream: str = STREAM

    def _named(self, suffix: str) -> str:
        return f"{{{self.stream}}}:{suffix}"

    @property
    def job(self) -> str:
        """Prefix of a job's record (hash): `{ci-jobs}:job:<id>`."""
        return self._named("job:")

    @property
    def lane(self) -> str:
        """Prefix of a lane (sorted set job → score): `{ci-jobs}:lane:<repository>|<resource>`."""
        return self._named("lane:")

    @property
    def lanes(self) -> str:
        """Each non-empty lane → its head's score (sorted set)."""
        return self._named("lanes")

    @property
    def held(self) -> str:
        """Jobs that wait for approval → when they came (sorted set)."""
        return self._named("held")

    @property
    def turn(self) -> str:
        """Repository → number of its latest admission (hash): who was served least recently."""
        return self._named("turn")

    @property
    def limits(self) -> str:
        """`repo:<name>` or `resource:<name>` (`*` for all) → jobs at once (hash)."""
        return self._named("limits")

    @property
    def settings(self) -> str:
        """Window, pause, last score, counters of the ledger itself (hash)."""
        return self._named("settings")

    @property
    def dedupe(self) -> str:
        """Prefix of a dedupe key (string → job id)."""
        return self._named("dedupe:")

    @property
    def log(self) -> str:
        """Prefix of a job's log (stream of chunks)."""
        return self._named("log:")

    @property
    def dead(self) -> str:
        """Dead letters (stream, about the newest 1,000)."""
        return self._named("dead")

    @property
    def events(self) -> str:
        """One entry per transition, written in the same atomic step (stream, capped)."""
        return self._named("events")

    @property
    def index(self) -> str:
        """All known job ids in order of time (sorted set, score 0, read by BYLEX)."""
        return self._named("index")

    @property
    def unarchived(self) -> str:
        """Finished jobs that the archive does not hold yet (set)."""
        return self._named("unarchived")

    @property
    def untold(self) -> str:
        """Jobs whose status changed since their forge was told (set)."""
        return self._named("untold")

    @property
    def heads(self) -> str:
        """Prefix of what was last seen of a repository: `<forge>|<repository>` (hash ref → commit)."""
        return self._named("heads:")

    @property
    def mirrors(self) -> str:
        """Mirror (owner/name in Gitea) → what is known of it (hash)."""
        return self._named("mirrors")

    @property
    def mirrors_due(self) -> str:
        """Mirror → when it is to be looked at next, Unix milliseconds (sorted set)."""
        return self._named("mirrors-due")

    @property
    def mirrors_wishes(self) -> str:
        """Mirror → who looks at it, who waits for the next look, what was announced of its source (hash, JSON)."""
        return self._named("mirrors-wishes")

    @property
    def watched(self) -> str:
        """`<forge>|<repository>` → standing, last look; `<forge>` → when all of it was first listed (hash)."""
        return self._named("watched")

    @property
    def agent(self) -> str:
        """Prefix of what an agent claimed last (hash: job, attempt, token, told): finds the job of a pod that ended."""
        return self._named("agent:")

    @property
    def stuck(self) -> str:
        """Agents that cannot start → why, in one line (hash)."""
        return self._named("stuck")

    @property
    def newest(self) -> str:
        """Prefix of a superseding group's newest job (hash: job, sha, at, past): `{ci-jobs}:newest:<group>`."""
        return self._named("newest:")

    @property
    def holder(self) -> str:
        """Prefix of who has a concurrency group (hash: job): `{ci-jobs}:holder:<repository>|<group>`."""
        return self._named("holder:")

    @property
    def cron(self) -> str:
        """Schedule of the enrolment file → the latest of its times that was seen to (hash, Unix seconds)."""
        return self._named("cron")

    @property
    def pace(self) -> str:
        """Repository → smoothed build time in ms (hash): the estimate in `why`."""
        return self._named("pace")

    def as_lua(self) -> dict[str, str]:
        """The names a script may use, as `key.<name>`."""
        names = [n for n, v in vars(Keys).items() if isinstance(v, property)]
        return {"stream": self.stream, "group": GROUP, **{n: getattr(self, n) for n in names}}
