"""Whether Gitea itself can fetch a mirror's source; it has no field that says so.

`mirror_updated` is the time of the last attempt, also of one that failed (`TouchMirror` in Gitea 1.26's
services/mirror/mirror_pull.go). But the last thing that a good fetch does is to date the repository by its newest
commit, though it brought nothing; and a change of topics dates it now. So its topics are changed, it is told to fetch,
and its date says how that went (tried with a real one in tests/cluster/test_mirror_sync.py).

Owns: this experiment.
Leaves to others: comparing heads (`upkeep.py`), which proves the same where there was something to bring.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

from raibid.forge.gitea.mirrors import Held

TRIED: Final = "raibid-tried"
"""A topic that comes and goes."""
_TRIES: Final = 2
"""A commit of the very second in which topics were changed hides that its time was set; the next second does not."""


class Fetches(Protocol):
    """What is asked of Gitea. All raise CallError."""

    def get(self, repository: str) -> Held:
        """As it is now."""

    def mark(self, repository: str, topic: str) -> None:
        """Give it a topic."""

    def unmark(self, repository: str, topic: str) -> None:
        """Take it away."""

    def sync(self, repository: str) -> None:
        """Have it fetched soon."""


def why_not_fetched(gitea: Fetches, name: str, patience: float, *, pause: float = 0.5) -> str:
    """Have Gitea fetch a mirror, and wait for it: why that failed; empty: it did not. An empty one proves nothing.

    Raises:
        CallError: Gitea does not answer, or does not do it.
    """
    attempted = False
    for _ in range(_TRIES):
        gitea.mark(name, TRIED)
        gitea.unmark(name, TRIED)
        before = gitea.get(name)
        gitea.sync(name)
        deadline = time.monotonic() + patience / _TRIES
        while time.monotonic() < deadline:
            now = gitea.get(name)
            if now.updated_at != before.updated_at:
                return ""
            attempted = attempted or now.mirror_updated != before.mirror_updated
            if attempted and now.empty:
                return ""
            time.sleep(pause)
    if attempted:
        return "Gitea tried to fetch with it and failed; its log says why"
    return f"Gitea did not try to fetch within {patience:g} s"
