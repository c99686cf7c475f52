"""What can go wrong with a build, told apart by whose fault it is.

Owns: the room's one exception tree. Infrastructure is tried again on another agent; the job's own fault is not.
Leaves to others: the ledger's errors (`raibid.ledger.errors`), what follows from each (`build.py`).
"""

from __future__ import annotations


class AgentError(Exception):
    """Root of the agent's errors."""


class InfrastructureError(AgentError):
    """Not the commit's fault: network, forge, disk, agent. Uses up an attempt; the job is tried again."""


class WorkspaceFullError(InfrastructureError):
    """No space left where the agent works."""


class JobFaultError(AgentError):
    """The job cannot be built however often it is tried: its repository, ref, commit or URL is wrong."""


class InterruptedBuildError(AgentError):
    """Somebody wants the build to end; `Stop.reason` says who."""


class NoLongerOursError(AgentError):
    """The ledger has the job back already, and has said why: this agent says nothing more of it."""


class ReportError(AgentError):
    """A report file that cannot be read. Never fails a build: the log says so."""
