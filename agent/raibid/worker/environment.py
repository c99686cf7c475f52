"""The environment of a step, built from nothing, and the secrets a pipeline asks for.

Owns: which variables a step sees.
Leaves to others: which secrets are declared (`raibid.model.pipeline`), hiding them in the log (`mask.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from raibid.contract import Env
from raibid.model.job import Job, JobSpec
from raibid.worker.errors import JobFaultError

_DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED: Final = ("LANG", "LC_ALL", "TZ", "RUSTUP_TOOLCHAIN", "SSL_CERT_FILE", "SSL_CERT_DIR")
# HOME is a directory of the job's own, so what rustup and cargo look for below HOME is named.
_BELOW_HOME: Final = {"CARGO_HOME": ".cargo", "RUSTUP_HOME": ".rustup"}


def agent_variables(agent: Mapping[str, str], *, home: Path, tmp: Path, passed: Iterable[str] = ()) -> dict[str, str]:
    """What every step gets from the agent: paths, toolchain, locale, and the variables the operator lets through."""
    real_home = Path(agent.get("HOME") or Path.home())
    toolchain = {
        name: agent.get(name) or str(real_home / folder)
        for name, folder in _BELOW_HOME.items()
        if agent.get(name) or (real_home / folder).is_dir()
    }
    return {
        "PATH": agent.get("PATH", _DEFAULT_PATH),
        "HOME": str(home),
        "TMPDIR": str(tmp),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "CI": "true",
        "RAIBID": "true",
        "CARGO_TERM_COLOR": "always",
        # Colours are for the log's readers, a progress bar is not: each frame would be a line.
        "CARGO_TERM_PROGRESS_WHEN": "never",
        **toolchain,
        **{name: agent[name] for name in (*_PASSED, *passed) if name in agent},
    }


def job_variables(job: Job, sha: str, agent: str) -> dict[str, str]:
    """What a step may know of its job."""
    return {
        **job.spec.params,
        **spec_variables(job.spec, sha),
        "RAIBID_JOB_ID": job.id,
        "RAIBID_ATTEMPT": str(job.attempt),
        # By it the local scaler finds what a killed agent left running.
        Env.AGENT_NAME: agent,
    }


def spec_variables(spec: JobSpec, sha: str) -> dict[str, str]:
    """What a step may know of the commit."""
    return {
        "RAIBID_REPO": spec.repo,
        "RAIBID_CLONE_URL": spec.clone_url,
        "RAIBID_REF": spec.ref,
        "RAIBID_BRANCH": spec.branch,
        "RAIBID_SHA": sha,
        "RAIBID_EVENT": spec.event,
    }


def read_secrets(directory: Path | None, names: Iterable[str]) -> dict[str, str]:
    """The declared secrets by name, without a last line end.

    Raises:
        JobFaultError: this agent has no secret of that name; the message names it and never shows a value.
    """
    found: dict[str, str] = {}
    for name in names:
        path = directory / name if directory else None
        if path is None or not path.is_file():
            raise JobFaultError(f"secret {name} is not known to this agent")
        found[name] = path.read_text(encoding="utf-8", errors="surrogateescape").rstrip("\r\n")
    return found
