"""What every process of a run must know, handed over as one JSON file.

Owns: the description, the ledger that keeps a journal of what the ledger told its agent.
Leaves to others: starting processes (`forker.py`), what an agent does (`agents.py`).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Self

import msgspec
from raibid.contract import STREAM
from raibid.ledger import Beat, Claim, Joined, Ledger, LedgerError, StaleTokenError, Timing
from raibid.ledger.connection import command_client
from raibid.ledger.pods import Pods
from raibid.ledger.scripts import source
from raibid.model.job import JobStatus, Report

from tests.chaos.history import AgentNote, Claimed, Fenced, Finished, Late, LetGo
from tests.chaos.mutations import MUTATIONS, MutatedScripts


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One run: where its Redis, its front door and its files are, and which bug its ledger has."""

    directory: str
    redis_url: str
    door_port: int
    lease: float
    beat: float
    mutation: str = ""

    @property
    def journal(self) -> Path:
        """What agents were told, one JSON line each."""
        return Path(self.directory) / "journal.jsonl"

    def write(self) -> Path:
        """Write the description for the other processes."""
        path = Path(self.directory) / "world.json"
        path.write_bytes(msgspec.json.encode(self))
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """The description another process wrote."""
        return msgspec.json.decode(path.read_bytes(), type=cls)

    def ledger(self) -> JournalLedger:
        """A ledger for this process."""
        return JournalLedger(self)


class JournalLedger(Ledger):
    """The real ledger; what it told an agent is noted in the journal."""

    def __init__(self, world: World, stream: str = STREAM) -> None:
        timing = Timing(world.lease, world.beat)
        super().__init__(command_client(world.redis_url), stream=stream, timing=timing)
        self._journal = world.journal
        self._asked: float | None = None  # since when it has been asking for a job without an answer
        self._heard = time.time()
        self._owner = self._open_job = ""
        self._mutation = MUTATIONS.get(world.mutation)
        if self._mutation:
            self._run = MutatedScripts(self.client, self.keys, self._mutation)
            self._pods = Pods(self._run)

    def text_of(self, script: str) -> str:
        """The script as this ledger runs it, for a transaction with other commands."""
        return self._mutation.applied(script, self.keys) if self._mutation else source(script, self.keys)

    def _note(self, note: AgentNote) -> None:
        file = os.open(self._journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, msgspec.json.encode(note) + b"\n")
        finally:
            os.close(file)

    def _answered(self, job_id: str, asked: float) -> None:
        now = time.time()
        if now - self._heard > self.timing.lease:
            self._note(Late(job=job_id, owner=self._owner, since=self._heard, until=now))
        self._heard = asked

    def claim(self, owner: str, token: str | None = None) -> Claim | None:
        self._asked = self._asked or time.time()  # it may have the job since the first try, whose answer was lost
        claim = super().claim(owner, token)
        self._heard, self._owner, self._asked = self._asked, owner, None
        self._open_job = claim.job.id if claim else ""
        if claim:
            self._note(Claimed(job=claim.job.id, token=claim.token, owner=owner))
        return claim

    def beat(self, job_id: str, token: str) -> Beat:
        asked = time.time()
        answer = super().beat(job_id, token)
        self._answered(job_id, asked)
        if answer is Beat.STALE:
            self._note(Fenced(job=job_id, token=token))
            self._open_job = ""
        return answer

    def finish(self, job_id: str, token: str, outcome: JobStatus, report: Report | None = None) -> None:
        asked = time.time()
        try:
            super().finish(job_id, token, outcome, report)
            if self._mutation and self._mutation.split_finish:
                time.sleep(0.05)  # the bug itself: between its two steps the agent may die
                super().finish(job_id, token, outcome, report)
        except StaleTokenError:
            self._answered(job_id, asked)
            self._note(Fenced(job=job_id, token=token))
            self._open_job = ""
            raise
        self._answered(job_id, asked)
        self._note(Finished(job=job_id, token=token, owner=self._owner, outcome=str(outcome)))
        self._open_job = ""

    def finish_as(self, owner: str, claim: Claim, outcome: JobStatus) -> None:
        """Finish as one of several agents that share this ledger (in a story, not in a run)."""
        self._owner = owner
        self.finish(claim.job.id, claim.token, outcome)

    def first_step_of_finish(self, claim: Claim, outcome: JobStatus) -> None:
        """What an agent that dies in `finish` has done at least: one script. Its end is not in the journal."""
        super().finish(claim.job.id, claim.token, outcome)

    def release(self, job_id: str, token: str, reason: str, *, refund: bool, delay: float = 0.0) -> JobStatus:
        self._note(LetGo(job=job_id, owner=self._owner))
        self._open_job = ""
        return super().release(job_id, token, reason, refund=refund, delay=delay)

    def join(self, job_id: str, token: str, group: str, *, supersede: bool = False) -> Joined:
        asked = time.time()
        try:
            answer = super().join(job_id, token, group, supersede=supersede)
        except StaleTokenError:
            self._answered(job_id, asked)
            self._note(Fenced(job=job_id, token=token))
            self._open_job = ""
            raise
        except LedgerError:
            self._note(LetGo(job=job_id, owner=self._owner))  # perhaps: only the answer may be lost
            raise
        self._answered(job_id, asked)
        if answer is Joined.WAIT:
            self._note(LetGo(job=job_id, owner=self._owner))
        if answer is not Joined.OK:
            self._open_job = ""
        return answer

    def join_as(self, owner: str, claim: Claim, *, supersede: bool) -> None:
        """Join a group as one of several agents that share this ledger."""
        self._owner = owner
        self.join(claim.job.id, claim.token, "deploy", supersede=supersede)

    def give_up(self) -> None:
        """The agent ends. If it left its job behind, it was silent until now, and will be for ever."""
        if self._open_job:
            self._note(Late(job=self._open_job, owner=self._owner, since=self._heard, until=time.time()))


def read_journal(path: Path) -> list[AgentNote]:
    """Every note, in the order in which it was written."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [msgspec.json.decode(line, type=AgentNote) for line in lines]
