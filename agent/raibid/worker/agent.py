"""An agent's life: claim one job, build it, tell the ledger, exit.

Owns: patience, signals, the lease around a build, the ledger's last word.
Leaves to others: the build (`build.py`), starting agents (`raibid.scaler`, KEDA).
"""

from __future__ import annotations

import logging
import math
import secrets
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from raibid.contract import ExitCode
from raibid.ledger import Claim, Ledger, LedgerError, LedgerFullError, LedgerUnavailableError, StaleTokenError
from raibid.worker.config import AgentConfig
from raibid.worker.lease import Lease
from raibid.worker.stop import Stop, StopReason, signals

if TYPE_CHECKING:  # an agent without a job stays small: 47 MB
    from raibid.worker.build import Verdict
    from raibid.worker.checkout import Checkout

_log = logging.getLogger(__name__)
_WAIT_SECONDS: Final = 1.0
"""Longest time between two claims: lost leases and delayed retries make no new entry that would wake the agent."""


def main(config: AgentConfig, ledger: Ledger | None = None) -> int:
    """The agent as a process: SIGTERM and SIGINT hand the job back; operational messages go to stderr.

    Returns the exit code: 0 when the agent did its part, whatever became of the build; UNAVAILABLE when it could
    not reach Redis for as long as its patience lasts; FAILED when the ledger refused to be told how the build ended;
    STOPPED when it was told to end and handed its job back.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with Stop() as stop, signals(stop):  # before the claim: a job is never taken by an agent that cannot let go
        return run_agent(ledger or Ledger.from_env(config.environment), config, stop=stop)


def run_agent(
    ledger: Ledger,
    config: AgentConfig,
    *,
    stop: Stop,
    get: Checkout | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Take one job, within the agent's patience, and see it to its end."""
    try:
        taken = _claim(ledger, config, stop, clock)
    except LedgerUnavailableError as error:
        _log.error("no ledger for %g s: %s", config.patience, error)
        return ExitCode.UNAVAILABLE
    if taken is None:
        return ExitCode.OK
    claim, since = taken
    _log.info("job %s attempt %d of %s", claim.job.id, claim.job.attempt, claim.job.spec.repo)
    beat = partial(ledger.beat, claim.job.id, claim.token)
    with Lease(beat, ledger.timing, stop, since=since, clock=clock):
        verdict = _build(ledger, claim, config, stop, get)
        told = _tell(ledger, claim, verdict, stop, clock)
    if not told:
        return ExitCode.FAILED
    # Not 0: the kubelet calls a pod that it evicts Succeeded when its container ends well within the grace, and nobody
    # would ever hear that the build had filled its disk. The next agent would fill it again.
    return ExitCode.STOPPED if verdict.handed_back else ExitCode.OK


def _claim(ledger: Ledger, config: AgentConfig, stop: Stop, clock: Callable[[], float]) -> tuple[Claim, float] | None:
    """A job and when it was asked for, or None. Raises LedgerUnavailableError when patience ends without Redis."""
    deadline = clock() + config.patience
    token = secrets.token_hex(16)  # one for all tries: a claim whose answer was lost is answered again
    while stop.reason is None:
        try:
            newest = ledger.newest()
            asked = clock()
            if claim := ledger.claim(config.name, token):
                return claim, asked
            if clock() >= deadline:
                return None
            ledger.wait(newest, min(_WAIT_SECONDS, max(0.01, deadline - clock())))
        except LedgerUnavailableError:
            if clock() >= deadline:
                raise
            stop.wait(_WAIT_SECONDS)
    return None


def _build(ledger: Ledger, claim: Claim, config: AgentConfig, stop: Stop, get: Checkout | None) -> Verdict:
    from raibid.worker.build import build
    from raibid.worker.checkout import checkout

    job, token = claim.job, claim.token
    join = partial(ledger.join, job.id, token)
    return build(job, config, ledger.logs.writer(job.id, token), stop, get=get or checkout, join=join)


def _tell(ledger: Ledger, claim: Claim, verdict: Verdict, stop: Stop, clock: Callable[[], float]) -> bool:
    """Tell the ledger; False: it would not be told, so the lease has to end and another agent to try.

    A ledger that is away or full is told again and again until the lease is lost. Any other refusal, and any at all
    after a SIGTERM, is borne for a lease: heartbeats that are answered would else renew it for ever.
    """
    give_up_at = math.inf
    while stop.reason is not StopReason.STALE:
        try:
            _say(ledger, claim, verdict)
        except StaleTokenError:
            _log.warning("job %s: another agent has it", claim.job.id)
        except LedgerError as error:
            _log.warning("job %s: %s not said: %s", claim.job.id, verdict.ending, error)
            passing = isinstance(error, LedgerUnavailableError | LedgerFullError)
            if not passing or stop.reason is StopReason.TERMINATED:
                give_up_at = min(give_up_at, clock() + ledger.timing.lease)
            if clock() >= give_up_at:
                return False
            time.sleep(_WAIT_SECONDS / 4)  # between two tries; not `stop.wait`, which a SIGTERM ends for good
            continue
        break
    return True


def _say(ledger: Ledger, claim: Claim, verdict: Verdict) -> None:
    from raibid.worker.build import Ending, retry_delay

    job, token, reason = claim.job, claim.token, verdict.report.reason
    match verdict.ending:
        case Ending.FINISH:
            ledger.finish(job.id, token, verdict.status, verdict.report)
            _log.info("job %s: %s %s", job.id, verdict.status, reason)
        case Ending.RETRY:
            delay = retry_delay(job.attempt, ledger.timing.lease)
            ledger.release(job.id, token, reason, refund=False, delay=delay)
            _log.warning("job %s: infrastructure failed, back to the queue: %s", job.id, reason)
        case Ending.HAND_BACK:
            ledger.release(job.id, token, reason, refund=True)
            _log.info("job %s: back to the queue: %s", job.id, reason)
        case Ending.SILENCE:
            _log.info("job %s: nothing is said of it: %s", job.id, reason)
