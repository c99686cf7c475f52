"""A build of a stranger's commit: whose pipeline it runs, what its steps are given, what they can touch.

Owns: the differences between such a build and any other.
Leaves to others: the fence itself (`fence.py`), who may start the build at all (`raibid.forge`, a person).

An approval says that somebody has looked at the code. It does not say that the code may see what the pool's own may:
the pipeline is the base branch's, there are no secrets and no credentials, and caches are read-only.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from raibid.model.job import JobSpec
from raibid.worker import landlock
from raibid.worker.cargo_home import own_cargo_home
from raibid.worker.checkout import BaseFile, base_file
from raibid.worker.config import AgentConfig
from raibid.worker.errors import InfrastructureError
from raibid.worker.fence import Fence, fence, gaps, objections
from raibid.worker.output import Output
from raibid.worker.stop import Stop
from raibid.worker.workspace import Workspace, disk_error

_log = logging.getLogger(__name__)
_BACKENDS: Final = ("LOCAL", "S3", "REDIS", "MEMCACHED", "GCS", "GHA", "AZURE", "WEBDAV", "OSS", "COS")


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """What the build of a fork's commit has that others do not."""

    base: BaseFile  #: the pipeline is this one
    env: Mapping[str, str]
    fence: Fence | None  #: None: the operator wants it built without


def take_in(
    spec: JobSpec, room: Workspace, config: AgentConfig, env: Mapping[str, str], output: Output, stop: Stop
) -> Stranger:
    """Prepare the build of a fork's commit that is checked out already.

    Args:
        spec: the job.
        room: where it is built.
        config: the agent's.
        env: what a trusted job's steps would get.
        output: is told where the pipeline comes from, and what is missing.
        stop: ends it before its time.

    Raises:
        InfrastructureError: this agent cannot keep the steps from what is not theirs; network, forge, disk.
        JobFaultError: the base branch is not known or gone. InterruptedBuildError: stopped.
    """
    around = fence(config, room, env)
    abi = landlock.version()
    guard = _guarded(around, config, abi, output)
    base = base_file(spec, room.checkout, config, stop)
    has = "" if base.text is not None else ", which has none: the default for its kind of project"
    output.say(f"pipeline: that of {base.branch} at {base.commit[:12]}{has}")
    cargo = room.home / ".cargo"
    shared = Path(env["CARGO_HOME"]) if "CARGO_HOME" in env else None
    try:
        notes = own_cargo_home(shared, cargo, stop, registries=config.fork_registries)
    except OSError as error:
        raise disk_error(error) from error
    output.say(*notes)
    return Stranger(base=base, env={**env, **fork_variables(cargo, room.tmp)}, fence=guard)


def fork_variables(cargo: Path, tmp: Path) -> dict[str, str]:
    """What a fork's steps are told besides: caches of their own, and to write to no other.

    The modes are for tools that would fail at a write; what keeps a step from it is that it has no credential.
    """
    return {
        "CARGO_HOME": str(cargo),
        **{f"SCCACHE_{backend}_RW_MODE": "READ_ONLY" for backend in _BACKENDS},
        # It may hold a token (`http.extraHeader`, `insteadOf`), so it is not theirs to read, and git dies at that.
        "GIT_CONFIG_NOSYSTEM": "1",
        # At the usual port there may be another job's.
        "SCCACHE_SERVER_UDS": str(tmp / "sccache.sock"),
    }


def _guarded(around: Fence, config: AgentConfig, abi: int, output: Output) -> Fence | None:
    reasons = objections(around, config, abi)
    if reasons and not config.forks_without_landlock:
        raise InfrastructureError(f"forks are not built on this agent: {'; '.join(reasons)}")
    for reason in reasons:
        output.say(f"built all the same, as this agent's operator wants: {reason}")
        _log.warning("a fork is built although %s", reason)
    if not abi:
        return None
    if gap := gaps(abi):
        output.say(gap)
    return around
