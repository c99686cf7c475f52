"""`raibid up`: the pool on this machine, and a first build from push to result.

Owns: the order of what happens and what the person sees of it.
Leaves to others: processes and repositories (`raibid.local`), following the log (`follow.py`).
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter

from raibid.cli.client import Client
from raibid.cli.errors import CliError
from raibid.cli.follow import exit_code, follow
from raibid.cli.interrupts import Interrupts
from raibid.cli.jobs import describe
from raibid.cli.output import PLAIN, Output, line, log_writer
from raibid.cli.steer import Standing
from raibid.contract import POLL_SECONDS, Env, ExitCode
from raibid.local import repository as repositories
from raibid.local.errors import LocalError, StateError
from raibid.local.install import ensure_redis_server, find_cargo, require_linux
from raibid.local.pool import Pool, PoolOptions
from raibid.local.state import StateDir, default_path, opened, read_secret
from raibid.model.job import PENDING, Job

_PORT: Final = 8460
_CORES_PER_AGENT: Final = 2  # spec/mission.md: agents of 2 cores
_RECORD_SECONDS: Final = 10.0
_NAP_SECONDS: Final = 1.0
"""Signals end a sleep, but one that comes just before its system call is seen only after it: an hour was too long."""

Flag = Parameter(negative=(), show_default=False)
Sample = Literal["rust", "python"]


def up(
    *,
    once: Annotated[bool, Flag] = False,
    sample: Sample = "rust",
    repo: str = "",
    state: Path | None = None,
    port: int | None = None,
    max_: Annotated[int | None, Parameter(name="--max")] = None,
    warm: int = 0,
    poll: float = POLL_SECONDS,
    secrets: Path | None = None,
    memory: str = "",
    output: Output = PLAIN,
) -> int:
    """Start the pool on this machine and build a repository with it, from `git push` to the result.

    Stays up until Ctrl-C, so that you can push again; --once exits with the build's result.

    For example:
      raibid up
      raibid up --once --sample python
      raibid up --once --repo ~/src/anvil --secrets ~/.config/anvil-secrets --memory 4G

    Parameters
    ----------
    once
        Build once and exit with its result: 0 success, 1 failed.
    sample
        Which of the samples to push.
    repo
        Build your own repository instead: a path (what is committed on its current branch) or a URL.
    state
        Where the pool keeps everything; $XDG_STATE_HOME/raibid/local, or with --once a temporary directory.
    port
        The API's port on 127.0.0.1: 8460, or with --once any free one.
    max_
        Most agents at a time; one per two cores.
    warm
        Agents kept waiting for jobs: the next build starts at once.
    poll
        Seconds between the scaler's looks at the queue.
    secrets
        A directory with a file per secret that pipelines may name; RAIBID_SECRETS_DIR if not given.
    memory
        Ceiling of a step's memory, such as 4G; RAIBID_MEMORY_LIMIT if not given.
    """
    options = PoolOptions(
        max_agents=max(1, (os.cpu_count() or 1) // _CORES_PER_AGENT) if max_ is None else max_,
        warm=warm,
        poll=poll,
        port=port if port is not None else (0 if once else _PORT),
        secrets=secrets.resolve() if secrets else None,
        memory=memory,
    )
    _judge(options)
    if not repo and sample == "rust" and not find_cargo():
        raise CliError(
            "the sample is a Rust crate and this machine has no cargo",
            f"build the Python sample instead ({_own_path()} up --sample python), or install Rust (https://rustup.rs)",
        )
    try:
        return _up(output, options, state=state, once=once, sample=sample, repo=repo)
    except StateError as error:
        raise CliError(str(error), code=ExitCode.USAGE) from error
    except LocalError as error:
        raise CliError(str(error)) from error


def _judge(options: PoolOptions) -> None:
    """Raise CliError for options that cannot be."""
    from raibid.worker.config import parse_size

    if options.max_agents < 1:
        raise CliError(f"--max {options.max_agents} runs nothing", "at least 1", ExitCode.USAGE)
    if options.warm > options.max_agents:
        message = f"--warm {options.warm} is more than --max {options.max_agents}"
        raise CliError(message, "raise --max", ExitCode.USAGE)
    if options.secrets and not options.secrets.is_dir():
        message = f"--secrets {options.secrets}: no such directory"
        raise CliError(message, "a directory with a file per secret, named like it", ExitCode.USAGE)
    try:
        parse_size(options.memory or os.environ.get(Env.MEMORY_LIMIT, ""))
    except ValueError as error:
        raise CliError(str(error), "for example --memory 4G", ExitCode.USAGE) from error


def _up(output: Output, options: PoolOptions, *, state: Path | None, once: bool, sample: Sample, repo: str) -> int:
    require_linux()
    ensure_redis_server(output.say)
    place = state or (None if once else default_path())
    with Interrupts(partial(_say_still_ending, output)) as interrupts, opened(place) as directory:
        pool = Pool(directory, options, output.say, interrupts.held)
        with pool, interrupts.welcome(pool.check):
            served = _serve(directory, output, sample=sample, repo=repo)
            pool.start()
            with directory.announced(pool.url, options.max_agents):
                client = Client(pool.url, read_secret(directory.write_token))
                job = _build(client, served, output, pool)
                if not once:
                    _stay(output, directory, pool, served, job)
    return exit_code(job.status) if once else ExitCode.OK


def _say_still_ending(output: Output) -> None:
    if not output.json:
        # By the system call: this is a signal handler, maybe in the middle of a print, which must not be entered twice.
        os.write(sys.stderr.fileno(), b"still ending: agents have a minute to hand their jobs back\n")


def _serve(state: StateDir, output: Output, *, sample: Sample, repo: str) -> repositories.Served:
    """The repository to build, with something to push."""
    if not repo:
        output.say(f"serving the {sample} sample")
        return repositories.serve_sample(state, sample)
    path = Path(repo).expanduser()
    if path.exists():
        served = repositories.serve_path(state, path)
    elif "://" in repo or "@" in repo:
        output.say(f"cloning {repo}")
        served = repositories.serve_url(state, repo)
    else:
        raise CliError(f"--repo {repo}: no such directory, and not a URL", "give a path or a URL", ExitCode.USAGE)
    if changes := repositories.uncommitted(served):
        output.say(f"{changes} uncommitted changes in {served.checkout} are not built: only commits are")
    return served


def _build(client: Client, served: repositories.Served, output: Output, pool: Pool) -> Job:
    """Push, follow the log, tell the result."""
    output.say(f"git push {served.name} {served.branch}")
    pushed = repositories.push(served)
    if pushed.said:
        output.say(pushed.said)
    job_id = pushed.job_id or _by_hand(client, served, pushed, output)
    output.say(f"following job {job_id}")

    def still_waiting() -> None:
        waits = client.get(f"/jobs/{job_id}", Job).status in PENDING
        if waits:
            output.say(f"no agent has it yet; the scaler says: {pool.scaler_says}")

    show = (lambda _: None) if output.json else log_writer()
    status = follow(client, job_id, show, lost=output.say, quiet=still_waiting)
    job = _ended(client, job_id)
    if output.json:
        output.emit(_answer(client, job))
    else:
        line("")
        describe(job)
        line("")
        line(f"{served.name}: {status}", "bold green" if not exit_code(status) else "bold red")
    return job


def _by_hand(client: Client, served: repositories.Served, pushed: repositories.Pushed, output: Output) -> str:
    """The push brought no job. If the repository had this commit already, no hook ran: ask for the job."""
    if pushed.new:
        hook = served.bare / "hooks" / "post-receive"
        why = "the line above says why" if pushed.said else f"the hook that tells the API said nothing: look at {hook}"
        raise CliError("the push did not become a job", why)
    output.say(f"{pushed.sha[:10]} was pushed before: starting it by hand")
    body = {
        "repo": served.name,
        "clone_url": served.clone_url,
        "ref": f"refs/heads/{served.branch}",
        "sha": pushed.sha,
    }
    return client.post("/jobs", Standing, body).id


def _ended(client: Client, job_id: str) -> Job:
    """The record, once it says that the job has ended: the log's end may be read before the API sees it."""
    deadline = time.monotonic() + _RECORD_SECONDS
    while True:
        job = client.get(f"/jobs/{job_id}", Job)
        if job.status.terminal or time.monotonic() > deadline:
            return job
        time.sleep(0.05)


def _answer(client: Client, job: Job) -> dict[str, Any]:
    return {"job": job, "status": job.status, "url": f"{client.url}/jobs/{job.id}"}


def _stay(output: Output, state: StateDir, pool: Pool, served: repositories.Served, job: Job) -> None:
    """Tell what one can do now, and wait for Ctrl-C or SIGTERM: they are how such a pool is ended, not an error."""
    with suppress(KeyboardInterrupt):
        if not output.json:
            _tell_next_steps(state, pool, served, job)
        while True:
            time.sleep(_NAP_SECONDS)


def _tell_next_steps(state: StateDir, pool: Pool, served: repositories.Served, job: Job) -> None:
    default = state.path == default_path().resolve()
    where = "" if default else f"RAIBID_API_URL={pool.url} RAIBID_TOKEN_FILE={state.write_token} "
    raibid = _own_path()
    for text in ("", "The pool is up until Ctrl-C.", ""):
        line(text, "bold")
    line(f"  API         {pool.url}  (described by {pool.url}/openapi.json)")
    line(f"  tokens      {state.read_token} (reads), {state.write_token} (changes)")
    line(f"  webhooks    {pool.url}/webhook/gitea, /webhook/github; secret in {state.webhook_secret}")
    line(f"  logs        {state.logs}")
    for text in ("", "Try next, in another terminal:", ""):
        line(text, "bold")
    line(f"  {where}{raibid} jobs")
    line(f"  {where}{raibid} retry --wait {job.id}")
    line(f"  cd {served.checkout} && git commit --allow-empty -m again && git push {served.bare} {served.branch}")


def _own_path() -> str:
    """How another terminal calls this command: `make up` runs it from an environment that is not on PATH there."""
    own = Path(sys.executable).parent / "raibid"
    if not own.exists():
        return "raibid"
    here = Path.cwd()
    return str(own.relative_to(here) if own.is_relative_to(here) else own)
