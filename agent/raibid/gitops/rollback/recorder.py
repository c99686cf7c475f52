"""Writing the records of a failing commit, each for itself: a forge that is away does not keep the Event from anybody.

Owns: that all are tried, and what of it is to be tried again.
Leaves to others: what they say (`records.py`), when (`controller.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from raibid.forge.errors import CallError, ForgeRefusedError
from raibid.forge.gitea.client import GiteaClient
from raibid.forge.gitea.issues import gitea_issues
from raibid.forge.github.client import GithubClient
from raibid.forge.github.issues import github_issues
from raibid.forge.github.pulls import GithubPulls
from raibid.forge.issues import Issues
from raibid.gitops.change.forge_at import forge_at
from raibid.gitops.cluster import Cluster
from raibid.gitops.rollback.records import Affair, body, event, marker, statuses, title
from raibid.kube.errors import KubeConflictError, KubeError


@dataclass(frozen=True)
class Desk:
    """Where people read about it: a repository's issues and its commits' statuses."""

    forge: GiteaClient | GithubClient
    issues: Issues
    repository: str


_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(minutes=5)
Trouble = Callable[[str, Exception], None]
"""Told what could not be recorded, and why."""


@dataclass
class Recorder:
    """Writes affairs. Not for several threads at once."""

    cluster: Cluster
    credentials: Path | None
    trouble: Trouble
    _done: set[tuple[object, ...]] = field(default_factory=set)
    """What this process has told; another tells it again, which changes nothing."""
    _later: dict[tuple[object, ...], tuple[int, datetime]] = field(default_factory=dict)
    """What could not be told: how often, and when it is tried again."""

    def known(self, affair: Affair) -> bool:
        """Whether all of it was told."""
        return affair.key in self._done

    def record(self, affair: Affair, url: str, now: datetime) -> bool:
        """Tell it everywhere; whether all of it is told now. `url`: the repository, as we reach it."""
        if self.known(affair):
            return True
        failures, after = self._later.get(affair.key, (0, now))
        if now < after:
            return False
        told = self._event(affair, now)
        try:
            with self._desk(url) as desk:
                told = (self._forge(affair, desk) if desk else True) and told
        except CallError as error:
            self.trouble(f"{affair.name}: its forge", error)
            told = False
        if told:
            self._done.add(affair.key)
            self._later.pop(affair.key, None)
        else:
            self._later[affair.key] = (failures + 1, now + min(_LONGEST_PAUSE, _PAUSE * 2 ** min(failures, 10)))
        return told

    def _event(self, affair: Affair, now: datetime) -> bool:
        try:
            self.cluster.create(event(affair, now))
        except KubeConflictError:
            pass  # told before our restart
        except KubeError as error:
            self.trouble(f"{affair.name}: the Event", error)
            return False
        return True

    def _forge(self, affair: Affair, desk: Desk) -> bool:
        told = True
        for sha, status in statuses(affair):
            try:
                desk.forge.set_status(desk.repository, sha, status)
            except ForgeRefusedError as error:
                # A commit that is gone, or a user that may not: again would end the same, and the issue says it, too.
                self.trouble(f"{affair.name}: the status of {sha[:12]}", error)
            except CallError as error:
                self.trouble(f"{affair.name}: the status of {sha[:12]}", error)
                told = False
        return self._issue(affair, desk) and told

    def _issue(self, affair: Affair, desk: Desk) -> bool:
        try:
            found = desk.issues.find(desk.repository, marker(affair))
            text = body(affair, found.text if found else "")
            desk.issues.write(desk.repository, marker(affair), title(affair), text)
        except CallError as error:
            self.trouble(f"{affair.name}: the issue", error)
            return False
        return True

    @contextmanager
    def _desk(self, url: str) -> Iterator[Desk | None]:
        """None: a forge whose API we do not speak."""
        with forge_at(url, self.credentials) as at:
            if at is None:
                yield None
                return
            if isinstance(at.pulls, GithubPulls):
                github = GithubClient(at.pulls.session)
                yield Desk(github, github_issues(github), at.repository)
            else:
                gitea = GiteaClient(at.pulls.session)
                yield Desk(gitea, gitea_issues(gitea), at.repository)
