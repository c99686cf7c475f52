"""What can go wrong with the ledger: one tree, one root; redis errors never leave this room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis


class LedgerError(Exception):
    """Root of the ledger's errors."""


class LedgerUnavailableError(LedgerError):
    """Redis cannot be reached, does not answer in time, or is still loading. Try again."""


class LedgerFullError(LedgerError):
    """Redis is at its memory limit: nothing new is accepted, what is in it still runs. Try again later."""


class StaleTokenError(LedgerError):
    """The fencing token is not (or no longer) the job's: another agent has it, or it has ended. Stop."""


class JobNotFoundError(LedgerError):
    """No record of that job: never existed, or expired from Redis."""


class NotTerminalError(LedgerError):
    """Only a job that has ended can be retried."""


@contextmanager
def translated() -> Iterator[None]:
    """Redis' errors become the ledger's.

    Raises:
        LedgerUnavailableError: no connection, no answer, or Redis is loading its file.
        LedgerFullError: refused for memory (OOM).
        LedgerError: anything else Redis refused.
    """
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise LedgerUnavailableError(f"Redis: {error}") from error
    except redis.OutOfMemoryError as error:
        raise LedgerFullError("Redis is at its memory limit (maxmemory, noeviction)") from error
    except redis.ResponseError as error:
        if str(error).startswith(("LOADING", "BUSY ", "MASTERDOWN", "READONLY", "MISCONF")):
            raise LedgerUnavailableError(f"Redis: {error}") from error
        raise LedgerError(f"Redis: {error}") from error
