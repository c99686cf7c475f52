"""A pipeline against a directory: the steps in order, their output into a sink, a report.

Owns: which pipeline applies, what a step sees, what its end means for the build. Used by the agent and by
`raibid exec` alike, so a build on a desk is the build in the pool.
Leaves to others: one step's processes (`steps.py`), what a pipeline may say (`raibid.model`), the ledger (`agent.py`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from raibid.contract import PIPELINE_FILE
from raibid.model.conditions import selected
from raibid.model.default_pipeline import default_pipeline
from raibid.model.findings import PipelineError
from raibid.model.job import JobSpec, JobStatus, Report, StepReport
from raibid.model.lint import load
from raibid.model.pipeline import Pipeline, Step
from raibid.worker import steps
from raibid.worker.checkout import BaseFile
from raibid.worker.concurrency import Join, join_group
from raibid.worker.config import AgentConfig
from raibid.worker.environment import agent_variables, read_secrets, spec_variables
from raibid.worker.errors import JobFaultError, WorkspaceFullError
from raibid.worker.fence import Fence, launcher_env
from raibid.worker.memory import Ceiling, ceiling, writable_cgroup
from raibid.worker.output import Output, Sink
from raibid.worker.reports_gather import gathering
from raibid.worker.stop import Stop
from raibid.worker.workspace import Room, is_full, room_left, workspace

NOTHING_TO_RUN: Final = f"nothing to run: no {PIPELINE_FILE} and no Cargo.toml"
_TOOLS: Final = ("cargo-nextest", "cargo-audit")
_MOST_BYTES: Final = 256 * 1024 + 1  # one more than a pipeline file may have: lint then says so
_FAILING: Final = frozenset({"failed", "timeout", "cancelled"})


@dataclass(frozen=True)
class Result:
    """How a build ended."""

    outcome: JobStatus
    report: Report


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where and for what a pipeline runs."""

    checkout: Path
    env: Mapping[str, str]  #: what every step sees, whatever the pipeline says
    spec: JobSpec  #: branch, event and changed files, for the steps' filters
    config: AgentConfig
    base: BaseFile | None = None  #: of a fork's build: the pipeline is this one, whatever the checkout holds
    fence: Fence | None = None  #: around every step
    room_left: Callable[[Path], Room] = field(default=room_left)
    join: Join | None = None  #: asks for the pipeline's concurrency group; None: nobody else builds


def read_pipeline(
    checkout: Path, env: Mapping[str, str], file: Path | None = None, base: BaseFile | None = None
) -> Pipeline:
    """The pipeline of a checkout: its file, or that of the base; else the default for its kind of project.

    Raises:
        PipelineError: the file is wrong. JobFaultError: there is no file and no default.
    """
    path = file or checkout / PIPELINE_FILE
    if base is not None:
        if base.text is not None:
            return load(base.text)
    elif path.is_file() and (file or path.resolve().is_relative_to(checkout.resolve())):
        with path.open("rb") as source:
            return load(source.read(_MOST_BYTES))
    tools = [tool for tool in _TOOLS if shutil.which(tool, path=env.get("PATH"))]
    pipeline = default_pipeline([entry.name for entry in checkout.iterdir()], tools)
    if pipeline is None:
        raise JobFaultError(NOTHING_TO_RUN)
    return pipeline


def run_checkout(place: Place, sink: Sink, stop: Stop, file: Path | None = None) -> tuple[Pipeline | None, Result]:
    """Read the checkout's pipeline and run it; None if there is no pipeline that could run.

    Raises:
        InfrastructureError: something failed that is not the commit's fault.
        NoLongerOursError: its concurrency group is taken: the job is back in the queue.
    """
    output = Output(sink)
    try:
        pipeline = read_pipeline(place.checkout, place.env, file, place.base)
        secrets = read_secrets(place.config.secrets_dir, () if place.spec.fork else pipeline.secrets)
    except PipelineError as error:
        output.begin(PIPELINE_FILE)
        output.say(str(error), "^^^ +++")
        return None, _failed(f"{PIPELINE_FILE} is invalid: {len(error.findings)} finding(s), see the log")
    except JobFaultError as error:
        output.begin(PIPELINE_FILE)
        output.say(str(error), "^^^ +++")
        return None, _failed(str(error))
    if place.spec.fork and pipeline.secrets:
        # Approval is a look at the code, not a key: the next commit's author would have it in the log.
        output.begin(PIPELINE_FILE)
        output.say(f"{place.spec.brought_by} gets no secrets: {', '.join(pipeline.secrets)} are not set")
    output = Output(sink, secrets.values())
    if pipeline.concurrency and place.join:
        join_group(pipeline.concurrency, place.join, output, stop)
    with gathering(place.checkout, place.env) as reports:
        place = replace(place, env={**place.env, **reports.variables})
        result = _Run(pipeline, secrets, place, output, stop).run()
        if stop.reason:
            return pipeline, result
        succeeded = result.outcome is JobStatus.SUCCESS
        return pipeline, Result(
            result.outcome, reports.added(result.report, pipeline.reports, output, succeeded=succeeded)
        )


def run_local(
    directory: Path,
    sink: Sink,
    stop: Stop,
    *,
    config: AgentConfig,
    spec: JobSpec,
    file: Path | None = None,
) -> Result:
    """Run a directory's pipeline in place, without a ledger; artifacts stay where they are.

    Ctrl-C is the caller's: `with Stop() as stop, signals(stop): run_local(…)` kills the steps and returns.

    Raises:
        InfrastructureError: this machine failed, not the build.
    """
    with workspace(config.workspace, "local") as room:
        base = agent_variables(config.environment, home=room.home, tmp=room.tmp, passed=config.pass_env)
        env = {**base, **spec.params, **spec_variables(spec, spec.sha), "RAIBID_JOB_ID": "local", "RAIBID_ATTEMPT": "1"}
        return run_checkout(Place(checkout=directory, env=env, spec=spec, config=config), sink, stop, file)[1]


class _Run:
    """One run of one pipeline."""

    def __init__(
        self, pipeline: Pipeline, secrets: Mapping[str, str], place: Place, output: Output, stop: Stop
    ) -> None:
        self._pipeline = pipeline
        self._secrets = secrets
        self._place = place
        self._output = output
        self._stop = stop
        self._cgroup = writable_cgroup() if place.config.memory_limit else None

    def run(self) -> Result:
        started = time.monotonic()
        deadline, used_up = self._deadline(started)
        spec = self._place.spec
        reports: list[StepReport] = []
        failed: StepReport | None = None
        for step, skip in selected(self._pipeline, branch=spec.branch, event=spec.event, changed=spec.changed):
            reason = skip or (f"step {failed.name} did not succeed" if failed else "")
            if reason:
                self._output.begin(step.name)
                self._output.say(f"skipped: {reason}")
                reports.append(StepReport(name=step.name, outcome="skipped", reason=reason))
                continue
            reports.append(self._step(step, deadline, used_up))
            if reports[-1].outcome in _FAILING:
                failed = reports[-1]
        return self._result(reports, failed, time.monotonic() - started)

    def _deadline(self, started: float) -> tuple[float, str]:
        """When the steps must have ended, and the reason if they have not."""
        asked, pool = self._pipeline.timeout, max(0.0, self._place.config.deadline - started)
        if pool < asked:
            # Said by the agent: at its pod's own deadline the kubelet would take it with its log's end.
            return started + pool, f"the pool had {pool:.0f} s for it, less than the pipeline's timeout of {asked:g} s"
        return started + asked, f"the pipeline's timeout of {asked:g} s is used up"

    def _step(self, step: Step, deadline: float, used_up: str) -> StepReport:
        self._output.begin(step.name)
        left = max(0.0, deadline - time.monotonic())
        limit = ceiling(self._place.config.memory_limit, self._cgroup)
        if limit.note:
            self._output.say(limit.note)
        timeout, too_long = left, used_up
        if step.timeout is not None and step.timeout < left:
            timeout, too_long = step.timeout, f"timed out after {step.timeout:g} s"
        argv, env = self._started_by(step, limit)
        command = steps.Command(
            argv=argv, cwd=self._place.checkout, env=env, timeout=timeout, grace=self._place.config.grace, ceiling=limit
        )
        ended = steps.run(command, self._output.write, self._stop, silence=self._output.silence)
        if self._place.fence and not ended.cause:
            self._place.fence.check(f"step {step.name}")
        report = step_report(step.name, ended, too_long)
        self._output.say(
            f"{report.outcome} in {report.seconds:.1f} s" + (f": {report.reason}" if report.reason else "")
        )
        if report.outcome in _FAILING:
            self._output.say("^^^ +++")
        room = self._place.room_left(self._place.checkout)
        if report.outcome == "failed" and is_full(room, ended.last_words):
            raise WorkspaceFullError(f"workspace full: step {step.name} failed with {room.free >> 10} KiB of disk left")
        return report

    def _started_by(self, step: Step, limit: Ceiling) -> tuple[list[str], dict[str, str]]:
        """Command line and environment of a step."""
        place = self._place
        env = {**place.env, **self._pipeline.env, **step.env, **self._secrets, "RAIBID_STEP": step.name}
        if place.fence is None:
            return steps.shell(limit.prelude + step.run), env
        # The ceiling is put up outside: behind the fence a step could write to its own cgroup, and lift it.
        launcher = place.fence.behind(steps.shell(step.run), env)
        return [*steps.shell(f'{limit.prelude}exec "$@"'), "fence", *launcher], launcher_env(place.config)

    def _result(self, reports: list[StepReport], failed: StepReport | None, seconds: float) -> Result:
        outcome, reason = JobStatus.SUCCESS, ""
        if failed:
            cancelled = failed.outcome == "cancelled"
            outcome = JobStatus.CANCELLED if cancelled else JobStatus.FAILED
            reason = f"{failed.name}: {failed.reason}"
        report = Report(
            reason=self._output.masked(reason),
            failed_step=failed.name if failed else "",
            exit_code=failed.exit_code if failed else 0,
            seconds=seconds,
            peak_rss=max((r.peak_rss for r in reports), default=0),
            steps=tuple(reports),
        )
        return Result(outcome, report)


def step_report(name: str, ended: steps.Ended, too_long: str) -> StepReport:
    """What a command's end means for its step; `too_long`: the reason if its time was over."""
    outcome, reason = "success", ""
    if ended.cause == steps.TIMEOUT:
        outcome, reason = "timeout", too_long
    elif ended.cause:
        outcome, reason = "cancelled", ended.cause
    elif ended.out_of_memory:
        outcome, reason = "failed", "killed: memory limit"
    elif ended.exit_code:
        killed = ended.exit_code < 0
        outcome, reason = "failed", f"killed by signal {-ended.exit_code}" if killed else f"exit code {ended.exit_code}"
    return StepReport(
        name=name,
        outcome=outcome,
        seconds=ended.seconds,
        exit_code=ended.exit_code,
        peak_rss=ended.peak_rss,
        reason=reason,
    )


def _failed(reason: str) -> Result:
    return Result(JobStatus.FAILED, Report(reason=reason))
