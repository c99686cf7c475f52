"""What git's last words mean: the job's own fault, or infrastructure to be tried again.

Owns: the table. Pure.
Leaves to others: running git (`checkout.py`).

Refused credentials (401, 403, no key) count as infrastructure: they are the operator's to mend and hit every job
alike, so such a job ends as a dead letter that can be put back, not as a failed build of somebody's commit. What is
not known here counts as infrastructure too: a wrong guess costs attempts, the other way round it would cost trust.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from raibid.worker.clone_url import scrub


class GitFault(StrEnum):
    """Kinds of failure."""

    REPOSITORY_GONE = "repository gone"
    REF_GONE = "ref gone"
    COMMIT_GONE = "commit gone"
    DISK_FULL = "workspace full"
    CREDENTIALS = "credentials refused"
    NETWORK = "network"
    FORGE = "forge error"
    UNKNOWN = "git failed"

    @property
    def infrastructure(self) -> bool:
        """Whether another try may help."""
        return self not in (GitFault.REPOSITORY_GONE, GitFault.REF_GONE, GitFault.COMMIT_GONE)


@dataclass(frozen=True)
class GitFailure:
    """A failure and its one line for people, credentials removed."""

    fault: GitFault
    reason: str


# First match wins. `Could not read from remote repository` and `hung up` follow many a cause, so they come last.
_TABLE: Final = tuple(
    (fault, re.compile(pattern, re.IGNORECASE))
    for fault, pattern in (
        (GitFault.DISK_FULL, r"no space left on device|disk quota exceeded"),
        (GitFault.REF_GONE, r"couldn't find remote ref|could not find remote ref|remote branch .* not found"),
        (GitFault.COMMIT_GONE, r"not our ref|unadvertised object|unable to read sha1|bad object|unknown revision"),
        (GitFault.FORGE, r"returned error: (5\d\d|429|408)|http (5\d\d|429|408)|gateway time-?out"),
        (
            GitFault.CREDENTIALS,
            r"authentication failed|returned error: 40[13]|could not read (username|password)|invalid credentials"
            r"|permission denied \(|host key verification failed",
        ),
        (
            GitFault.REPOSITORY_GONE,
            r"repository .* not found|repository not found|returned error: (404|410)"
            r"|does not appear to be a git repository|does not exist|not exported|no such file or directory",
        ),
        (
            GitFault.NETWORK,
            r"could not resolve|name or service not known|temporary failure in name resolution|connection refused"
            r"|connection timed out|timed out|no route to host|network is unreachable|connection reset"
            r"|failed to connect|unable to connect|could(n't| not) connect|ssl|tls|empty reply|too slow|rpc failed"
            r"|early eof|hung up|unexpected disconnect|unable to access|could not read from remote",
        ),
    )
)


def classify(stderr: str) -> GitFailure:
    """What a failed git command's messages mean."""
    lines = [line.strip() for line in scrub(stderr).splitlines() if line.strip()]
    for fault, pattern in _TABLE:
        said = next((line for line in lines if pattern.search(line)), None)
        if said is not None:
            return GitFailure(fault, f"{fault}: {_plain(said)}")
    return GitFailure(GitFault.UNKNOWN, f"{GitFault.UNKNOWN}: {_plain(lines[-1])}" if lines else "git failed silently")


def _plain(line: str) -> str:
    return re.sub(r"^(fatal|error|remote|ERROR): ", "", line)[:300]
