"""A pipeline's concurrency group: the agent asks the ledger before the first step.

Owns: asking until there is an answer, what the answers mean for the build.
Leaves to others: who has the group and who waits for it (`raibid.ledger`), how the agent goes away (`build.py`).
"""

from __future__ import annotations

from typing import Final, Protocol

from raibid.ledger import Joined, LedgerError, LedgerFullError, LedgerUnavailableError, StaleTokenError
from raibid.model.pipeline import Concurrency
from raibid.worker.errors import InfrastructureError, NoLongerOursError
from raibid.worker.output import Output
from raibid.worker.stop import Stop

_RETRY_SECONDS: Final = 1.0


class Join(Protocol):
    """`Ledger.join` for one job and token."""

    def __call__(self, group: str, *, supersede: bool = False) -> Joined:
        """Ask; again is harmless."""
        ...


def join_group(concurrency: Concurrency, join: Join, output: Output, stop: Stop) -> None:
    """Return when this job has its group. A ledger that is away is asked until the lease is lost.

    Raises:
        NoLongerOursError: another job has the group, or supersedes this one.
        InfrastructureError: the ledger refuses. InterruptedBuildError: the build is to end.
    """
    output.begin("concurrency")
    while True:
        stop.check()
        try:
            answer = join(concurrency.group, supersede=concurrency.cancel)
            break
        except StaleTokenError as error:
            raise NoLongerOursError(str(error)) from error
        except (LedgerUnavailableError, LedgerFullError):
            stop.wait(_RETRY_SECONDS)
        except LedgerError as error:
            raise InfrastructureError(f"concurrency group {concurrency.group}: {error}") from error
    match answer:
        case Joined.OK:
            output.say(f"this build has the group {concurrency.group}")
        case Joined.WAIT:
            raise NoLongerOursError(f"back in the queue until the group {concurrency.group} is free")
        case Joined.CANCELLED:
            raise NoLongerOursError(f"superseded by a newer job of the group {concurrency.group}")
