"""`raibid scaler`: the local scaler, the doctor of ScaledJobs, the simulator."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter

from raibid.cli.errors import CliError
from raibid.cli.output import PLAIN, Output, write
from raibid.contract import DEFAULT_WINDOW, LEASE_SECONDS, POLL_SECONDS, STREAM, Env, ExitCode

if TYPE_CHECKING:
    from raibid.ledger import Ledger

app: Final = App(name="scaler", help="The local scaler, the scaling doctor, the simulator.", help_format="plaintext")


@app.command
def run(
    *,
    max_: Annotated[int, Parameter(name="--max")] = DEFAULT_WINDOW,
    min_: Annotated[int, Parameter(name="--min")] = 0,
    poll: float = POLL_SECONDS,
    log_dir: Path | None = None,
    redis_username: str = "",
    redis_password_file: Path | None = None,
    output: Output = PLAIN,
) -> None:
    """Start agents for the queue on this machine until SIGTERM or Ctrl-C, then let them release their jobs.

    The environment is the agents'; --redis-username lets the scaler itself be a user that may read one number.

    For example:
      raibid scaler run --max 3
      raibid scaler run --max 3 --min 1 --redis-username raibid-keda --redis-password-file /run/secrets/keda

    Parameters
    ----------
    max_
        Most agents at a time.
    min_
        Agents kept warm while there is nothing to do.
    poll
        Seconds between two looks at the queue.
    log_dir
        A log file per agent; without it their output is the scaler's.
    redis_username
        The scaler's own Redis user, such as raibid-keda.
    redis_password_file
        That user's password.
    """
    from raibid.ledger import LedgerError
    from raibid.scaler.local import LocalScaler, ScalerEvent, stop_on_signals, stream_length

    def tell(event: ScalerEvent) -> None:
        if output.json:
            output.emit({"kind": event.kind, "agent": event.agent, "running": event.running, "message": event.message})
        else:
            who = f" {event.agent}" if event.agent else ""
            write(f"{event.kind}{who}: {event.message} ({event.running} running)\n")

    stop = threading.Event()
    try:
        ledger = _ledger(redis_username, redis_password_file)
        scaler = LocalScaler(
            stream_length(ledger),
            max_agents=max_,
            min_agents=min_,
            poll=poll,
            log_dir=log_dir,
            adopt=True,
            on_event=tell,
        )
    except (LedgerError, ValueError, OSError) as error:
        raise CliError(str(error), "raibid scaler run --help", ExitCode.USAGE) from error
    with stop_on_signals(stop):
        output.say(f"scaler: --max {max_} --min {min_}, poll {poll:g} s")
        scaler.run(stop)
    ledger.close()


@app.command
def doctor(file: Path, /, *, capacity: int | None = None, output: Output = PLAIN) -> int:
    """Say what KEDA will really do with a ScaledJob. Exit code 1 if anything is an error or a warning.

    For example:
      raibid scaler doctor scaledjob.yaml --capacity 3

    Parameters
    ----------
    file
        A manifest; other kinds in it are skipped.
    capacity
        How many agents the machine has room for.
    """
    from raibid.scaler import ScalerError
    from raibid.scaler.doctor import diagnose, healthy
    from raibid.scaler.errors import UnreadableFileError
    from raibid.scaler.render import format_findings
    from raibid.scaler.scaled_job import read_scaled_jobs

    try:
        findings = {job.metadata.full_name: diagnose(job, capacity) for job in read_scaled_jobs(file)}
    except ScalerError as error:
        code = ExitCode.NOT_FOUND if isinstance(error, UnreadableFileError) else ExitCode.USAGE
        raise CliError(str(error), "give a ScaledJob manifest", code) from error
    if output.json:
        output.emit(findings)
    else:
        write("\n\n".join(format_findings(found, name=name) for name, found in findings.items()) + "\n")
    return ExitCode.OK if all(map(healthy, findings.values())) else ExitCode.FAILED


@app.command
def simulate(
    arrivals: str = "burst:20",
    /,
    *,
    max_: Annotated[int, Parameter(name="--max")] = 10,
    min_: Annotated[int, Parameter(name="--min")] = 0,
    poll: float = POLL_SECONDS,
    build: float = 60.0,
    pod_start: float = 2.0,
    crash: float = 0.0,
    lease: float = LEASE_SECONDS,
    seed: int = 0,
    output: Output = PLAIN,
) -> None:
    """Replay an arrival pattern against KEDA's arithmetic: waits, overshoot and undershoot, in virtual time.

    For example:
      raibid scaler simulate burst:20 --max 3
      raibid scaler simulate steady:100/15 --poll 10
      raibid scaler simulate arrivals.txt --build 180 --crash 0.25

    Parameters
    ----------
    arrivals
        burst:N, steady:N/SECONDS, poisson:N/MEAN_SECONDS, or a file with a timestamp per line.
    max_
        maxReplicaCount.
    min_
        minReplicaCount.
    poll
        pollingInterval in seconds.
    build
        Seconds of a build, give or take 20 %.
    pod_start
        Seconds until a new agent asks for a job.
    crash
        Probability that an agent dies in a build.
    lease
        Seconds until a dead agent's job is taken up.
    seed
        The same seed gives the same numbers.
    """
    from raibid.scaler import ScalerError
    from raibid.scaler import simulate as simulator
    from raibid.scaler.arrivals import parse_arrivals
    from raibid.scaler.render import format_simulation, simulation_json

    try:
        pattern = parse_arrivals(arrivals, seed=seed)
    except ScalerError as error:
        raise CliError(str(error), "raibid scaler simulate --help", ExitCode.USAGE) from error
    setup = simulator.Setup(
        max_replicas=max_, min_replicas=min_, poll=poll, build=build,
        pod_start=pod_start, crash=crash, lease=lease, seed=seed,
    )  # fmt: skip
    result = simulator.simulate(pattern, setup)
    write((simulation_json(result, setup) if output.json else format_simulation(result, setup)) + "\n")


def _ledger(username: str, password_file: Path | None) -> Ledger:
    """The ledger of the environment, as another user if one is named."""
    from raibid.ledger import Ledger

    if not username:
        return Ledger.from_env()
    password = password_file.read_text(encoding="utf-8").strip() if password_file else None
    return Ledger.connect(
        os.environ.get(Env.REDIS_URL, "redis://127.0.0.1:6379/0"),
        username=username,
        password=password,
        stream=os.environ.get(Env.STREAM, STREAM),
    )
