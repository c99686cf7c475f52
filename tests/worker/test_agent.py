"""One agent, one job, a real ledger and a real repository: every way in which it can end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from raibid.contract import ExitCode
from raibid.ledger import Ledger
from raibid.model.job import Job, JobStatus
from raibid.worker.agent import run_agent
from raibid.worker.config import AgentConfig
from raibid.worker.errors import InfrastructureError
from raibid.worker.stop import Stop, StopReason

from tests.waiting import until
from tests.worker.conftest import Background, Built, Repository, enqueue, log_of, pipeline, record


def test_a_push_becomes_a_finished_build_with_log_and_report(
    ledger: Ledger, repository: Repository, built: Built, config: AgentConfig
) -> None:
    sha = repository.push(pipeline("echo hello from $RAIBID_SHA", "cat .raibid.yaml >/dev/null"))

    job = built(repository.spec(sha))

    assert job.status is JobStatus.SUCCESS
    assert job.report is not None
    assert [s.outcome for s in job.report.steps] == ["success", "success"]
    assert all(s.seconds > 0 for s in job.report.steps)
    log = log_of(ledger, job.id)
    assert log.startswith("--- checkout\n")
    assert f"--- step 1\nhello from {sha}\nsuccess in" in log
    assert {c.step for c in ledger.logs.read(job.id) if c.data} == {"checkout", "step 1", "step 2"}
    assert list(config.workspace.iterdir()) == []
    assert ledger.depth().stream == 0


def test_a_failing_step_fails_the_job_and_skips_the_rest(ledger: Ledger, repository: Repository, built: Built) -> None:
    repository.push(pipeline("echo one", "echo broken >&2; exit 3", "echo never"))

    job = built(repository.spec())

    assert job.status is JobStatus.FAILED
    assert job.reason == "step 2: exit code 3"
    assert job.report is not None
    assert (job.report.failed_step, job.report.exit_code) == ("step 2", 3)
    assert [s.outcome for s in job.report.steps] == ["success", "failed", "skipped"]
    log = log_of(ledger, job.id)
    assert "broken\nfailed in" in log
    assert "^^^ +++" in log
    assert "never" not in log


def test_an_invalid_pipeline_file_fails_the_job_with_the_lint_report_as_its_log(
    ledger: Ledger, repository: Repository, built: Built
) -> None:
    repository.push({".raibid.yaml": "stepz:\n  - run: true\n"})

    job = built(repository.spec())

    assert job.status is JobStatus.FAILED
    assert job.reason.startswith(".raibid.yaml is invalid")
    assert ".raibid.yaml:1:1: stepz: unknown-key:" in log_of(ledger, job.id)


def test_without_a_pipeline_and_without_cargo_there_is_nothing_to_run(
    ledger: Ledger, repository: Repository, built: Built
) -> None:
    repository.push({"README.md": "hello"})

    job = built(repository.spec())

    assert job.status is JobStatus.FAILED
    assert job.reason == "nothing to run: no .raibid.yaml and no Cargo.toml"


def test_a_pipeline_file_that_links_out_of_the_checkout_is_not_read(
    repository: Repository, built: Built, tmp_path: Path
) -> None:
    (tmp_path / "outside.yaml").write_text("steps: [{name: x, run: echo outside}]")
    (tmp_path / "desk" / ".raibid.yaml").symlink_to(tmp_path / "outside.yaml")
    repository.push({"README.md": "x"})

    assert built(repository.spec()).reason.startswith("nothing to run")


def test_a_repository_that_is_gone_fails_the_job_for_good(built: Built, repository: Repository) -> None:
    job = built(repository.spec(clone_url=str(repository.bare) + "-moved"))

    assert job.status is JobStatus.FAILED
    assert job.reason.startswith("repository gone")


def test_an_infrastructure_failure_puts_the_job_back_and_counts_the_attempt(
    ledger: Ledger, repository: Repository, built: Built
) -> None:
    job = built(repository.spec(clone_url="http://127.0.0.1:9/dev/crate.git"))

    assert job.status is JobStatus.QUEUED
    assert job.attempt == 1
    assert job.reason.startswith("network:")
    assert "network:" in log_of(ledger, job.id)


def test_infrastructure_failures_end_as_a_dead_letter(
    ledger: Ledger, repository: Repository, config: AgentConfig, stop: Stop
) -> None:
    def no_forge(*_: object) -> str:
        raise InfrastructureError("the forge is on fire")

    quick = Ledger(ledger.client, stream=ledger.keys.stream, timing=replace(ledger.timing, lease=0.001, beat=0.0005))
    job_id = enqueue(ledger, repository.spec())

    def retried() -> bool:
        run_agent(quick, config, stop=Stop(), get=no_forge)
        return record(ledger, job_id).status is JobStatus.DEAD

    until(retried)
    assert record(ledger, job_id).attempt == 3


def test_a_cancelled_job_is_killed_and_finished_as_cancelled(
    quick: Ledger, repository: Repository, config: AgentConfig, stop: Stop
) -> None:
    repository.push(pipeline("echo started; sleep 1000"))
    job_id = enqueue(quick, repository.spec())
    running = Background(quick, config, stop)
    until(lambda: "started" in log_of(quick, job_id))

    quick.cancel(job_id, "somebody")

    assert running.join() == 0
    job = record(quick, job_id)
    assert job.status is JobStatus.CANCELLED
    assert job.report is not None
    assert job.report.steps[0].outcome == "cancelled"


def test_sigterm_hands_the_job_back_with_its_attempt(
    quick: Ledger, repository: Repository, config: AgentConfig, stop: Stop
) -> None:
    repository.push(pipeline("echo started; sleep 1000"))
    job_id = enqueue(quick, repository.spec())
    running = Background(quick, config, stop)
    until(lambda: "started" in log_of(quick, job_id))

    stop.request(StopReason.TERMINATED)

    assert running.join() == ExitCode.STOPPED
    job = record(quick, job_id)
    assert (job.status, job.attempt, job.refunds) == (JobStatus.QUEUED, 0, 1)


def test_a_stale_agent_kills_its_build_and_writes_nothing(
    quick: Ledger, repository: Repository, config: AgentConfig, stop: Stop, tmp_path: Path
) -> None:
    repository.push(pipeline(f"echo started; sleep 1000; touch {tmp_path}/survived"))
    job_id = enqueue(quick, repository.spec())
    running = Background(quick, config, stop)
    until(lambda: "started" in log_of(quick, job_id))

    quick.client.hset(quick.keys.job + job_id, "token", "another agent's")
    before = record(quick, job_id)

    assert running.join() == 0
    assert stop.reason is StopReason.STALE
    after = record(quick, job_id)
    assert (after.status, after.report, after.log_bytes) == (before.status, None, before.log_bytes)


def test_a_stopped_agent_takes_nothing(ledger: Ledger, repository: Repository, config: AgentConfig, stop: Stop) -> None:
    stop.request(StopReason.TERMINATED)
    job_id = enqueue(ledger, repository.spec())

    assert run_agent(ledger, config, stop=stop) == 0
    assert record(ledger, job_id).status is JobStatus.QUEUED


def test_artifacts_are_kept_also_after_a_failure(
    repository: Repository, built: Built, config: AgentConfig, tmp_path: Path
) -> None:
    files = pipeline("mkdir out; echo text > out/a.txt; ln -s /etc/passwd out/b.txt; exit 1", artifacts="[out/*.txt]")
    repository.push(files)

    job = built(repository.spec(), replace(config, store=(tmp_path / "store").as_uri()))

    assert job.report is not None
    (artifact,) = job.report.artifacts
    assert (artifact.path, artifact.size) == ("out/a.txt", 5)
    assert (tmp_path / "store" / artifact.key).read_text() == "text\n"


def test_without_a_store_the_log_says_that_artifacts_are_not_kept(
    ledger: Ledger, repository: Repository, built: Built
) -> None:
    repository.push(pipeline("touch a.txt", artifacts="[a.txt]"))
    assert "this agent has no store" in log_of(ledger, built(repository.spec()).id)


def test_declared_secrets_reach_the_steps_and_never_the_log(
    ledger: Ledger, repository: Repository, built: Built, config: AgentConfig, tmp_path: Path
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "TOKEN").write_text("s3cret/value+x\n")
    (tmp_path / "secrets" / "OTHER").write_text("not-asked-for")
    script = 'echo "${#TOKEN} ${OTHER:-none} [$TOKEN]"; printf "user:$TOKEN" | base64; env | grep s3cret'
    repository.push(pipeline(script, secrets="[TOKEN]"))

    job = built(repository.spec(), replace(config, secrets_dir=tmp_path / "secrets"))

    assert job.status is JobStatus.SUCCESS
    log = log_of(ledger, job.id)
    assert "14 none [***]\n" in log
    assert "s3cret" not in log
    assert "TOKEN=***" in log


def test_a_secret_this_agent_does_not_have_fails_the_job(repository: Repository, built: Built) -> None:
    repository.push(pipeline("true", secrets="[TOKEN]"))
    job: Job = built(repository.spec())
    assert (job.status, job.reason) == (JobStatus.FAILED, "secret TOKEN is not known to this agent")


def test_a_line_of_100_mb_with_binary_bytes_and_surrogates_is_cut_and_harms_nobody(
    ledger: Ledger, repository: Repository, built: Built
) -> None:
    script = r"printf '\xed\xa0\x80\xff\x00|'; head -c 100000000 /dev/zero | tr '\0' x; printf '\nlast\n'"
    repository.push(pipeline(script))

    job = built(repository.spec())

    assert job.status is JobStatus.SUCCESS
    assert job.report is not None
    assert 60_000_000 < job.report.log_dropped < 100_000_000
    log = log_of(ledger, job.id)
    assert "\ufffd\ufffd\ufffd\ufffd\ufffd|xxx" in log
    assert "\nlast\nsuccess in" in log
