"""A pull request of a stranger, built by a real agent: with a real ledger, a real repository and the kernel's fence."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from raibid.contract import Env
from raibid.ledger import Ledger
from raibid.model.job import Job, JobSpec, JobStatus
from raibid.worker import landlock
from raibid.worker.config import AgentConfig
from raibid.worker.fence import OLDEST_ABI
from raibid.worker.pipeline_run import NOTHING_TO_RUN
from raibid.worker.stop import Stop

from tests.waiting import until
from tests.worker.conftest import Background, Built, Repository, enqueue, log_of, pipeline, record

pytestmark = pytest.mark.skipif(landlock.version() < OLDEST_ABI, reason="this kernel has no Landlock, or an old one")

Tried = Callable[..., tuple[Job, str]]


@pytest.fixture
def config(config: AgentConfig) -> AgentConfig:
    return replace(config, doors=(), environment={**config.environment, Env.REDIS_PASSWORD: "password-sentinel"})


@pytest.fixture
def tried(ledger: Ledger, repository: Repository, built: Built, config: AgentConfig) -> Tried:
    """Let the base's pipeline run one command on a stranger's commit; the record and the log."""

    def run(script: str, agent: AgentConfig = config, **changes: object) -> tuple[Job, str]:
        repository.push(pipeline(script))
        job = built(stranger(repository, {"README.md": "mine"}, **changes), agent)
        return job, log_of(ledger, job.id)

    return run


def stranger(repository: Repository, files: dict[str, str], **changes: object) -> JobSpec:
    sha = repository.pull_request(7, files)
    values = {"ref": "refs/pull/7/head", "event": "pull_request", "fork": "eve/crate", "base": "main", **changes}
    return repository.spec(sha, **values)


def test_a_fork_that_edits_the_pipeline_file_changes_nothing(
    ledger: Ledger, repository: Repository, built: Built
) -> None:
    tip = repository.push(pipeline("echo the base says so; cat README.md"))

    job = built(stranger(repository, {**pipeline("echo evil"), "README.md": "the fork's words\n"}))

    assert job.status is JobStatus.SUCCESS, job.reason
    log = log_of(ledger, job.id)
    assert "the base says so\nthe fork's words\n" in log
    assert "evil" not in log
    assert f"pipeline: that of main at {tip[:12]}\n" in log


def test_the_pipeline_is_that_of_the_bases_tip_also_if_it_has_moved_on(
    ledger: Ledger, repository: Repository, built: Built
) -> None:
    repository.push(pipeline("echo old"))
    spec = stranger(repository, {"README.md": "mine"})
    repository.push(pipeline("echo new"))

    assert "--- step 1\nnew\n" in log_of(ledger, built(spec).id)


def test_without_a_pipeline_in_the_base_the_forks_own_is_not_read_either(repository: Repository, built: Built) -> None:
    repository.push({"README.md": "ours"})
    job = built(stranger(repository, pipeline("echo evil")))
    assert (job.status, job.reason) == (JobStatus.FAILED, NOTHING_TO_RUN)


def test_a_base_branch_that_vanished_fails_the_job_and_says_so(repository: Repository, built: Built) -> None:
    repository.push(pipeline("true"))
    job = built(stranger(repository, {"README.md": "mine"}, base="release"))
    assert job.status is JobStatus.FAILED
    assert job.reason == "base branch release is gone: the pipeline of a pull request from eve/crate is read there"


def test_a_record_that_names_no_base_fails_and_runs_nothing(repository: Repository, built: Built) -> None:
    repository.push(pipeline("true"))
    job = built(stranger(repository, pipeline("echo evil"), base=""))
    assert job.status is JobStatus.FAILED
    assert "does not name the branch it wants to go into" in job.reason


def test_a_link_in_the_base_is_not_followed_into_the_forks_files(
    repository: Repository, built: Built, tmp_path: Path
) -> None:
    (tmp_path / "desk" / ".raibid.yaml").symlink_to("ci.yaml")
    repository.push(dict(zip(["ci.yaml"], pipeline("true").values(), strict=True)))
    job = built(stranger(repository, dict(zip(["ci.yaml"], pipeline("echo evil").values(), strict=True))))
    assert (job.status, "is a link" in job.reason) == (JobStatus.FAILED, True)


def test_a_long_pipeline_is_read_to_its_end_and_one_too_long_is_refused(
    ledger: Ledger, repository: Repository, built: Built
) -> None:
    for kib, status in ((200, JobStatus.SUCCESS), (300, JobStatus.FAILED)):
        repository.push({".raibid.yaml": f"# {'x' * 1024 * kib}\n{pipeline('echo read')['.raibid.yaml']}"})
        job = built(stranger(repository, {"README.md": "mine"}))
        assert job.status is status
    assert "too-large" in log_of(ledger, job.id)


def test_a_fork_gets_no_credentials_and_no_variables_but_those_named_for_forks(
    tried: Tried, config: AgentConfig, tmp_path: Path
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "TOKEN").write_text("secret-sentinel")
    (tmp_path / "git-credentials").write_text("https://raibid:secret-sentinel@forge.example\n")
    passed = {"REGISTRY_TOKEN": "secret-sentinel", "BUILDKIT_HOST": "tcp://builder:1", "MIRROR": "https://example.org"}
    agent = replace(
        config,
        secrets_dir=tmp_path / "secrets",
        git_credentials_file=tmp_path / "git-credentials",
        pass_env=("REGISTRY_TOKEN", "BUILDKIT_HOST", "MIRROR"),
        fork_pass_env=("MIRROR",),
        environment={**config.environment, **passed},
    )
    script = f"env; cat {tmp_path}/secrets/TOKEN {tmp_path}/git-credentials /proc/{os.getpid()}/environ || true"

    job, log = tried(script, agent)

    assert job.status is JobStatus.SUCCESS
    assert "MIRROR=https://example.org\n" in log
    assert "SCCACHE_S3_RW_MODE=READ_ONLY\n" in log
    assert "sentinel" not in log
    assert "BUILDKIT_HOST" not in log
    assert log.count("Permission denied") == 3


def test_the_projects_own_pull_requests_are_built_as_ever(
    ledger: Ledger, repository: Repository, built: Built, tmp_path: Path
) -> None:
    (tmp_path / "outside").write_text("seen")
    repository.push({"README.md": "ours"})
    sha = repository.pull_request(7, pipeline(f"cat {tmp_path}/outside"))
    job = built(repository.spec(sha, ref="refs/pull/7/head", event="pull_request", base="main"))
    assert "seen" in log_of(ledger, job.id)


# --- the machinery around a step holds behind the fence too ----------------------------------------------------------


def test_artifacts_are_kept_and_links_out_of_the_checkout_are_not(
    repository: Repository, built: Built, config: AgentConfig, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret-sentinel")
    script = f"mkdir out; echo text > out/a.txt; ln -s {tmp_path}/secret out/b.txt; ln -s {tmp_path} linked"
    repository.push(pipeline(script, artifacts='["out/*", "linked/**"]'))

    job = built(stranger(repository, {"README.md": "mine"}), replace(config, store=(tmp_path / "store").as_uri()))

    assert job.report is not None
    assert [artifact.path for artifact in job.report.artifacts] == ["out/a.txt"]


def test_a_link_where_the_reports_folder_was_leads_the_agent_nowhere(tried: Tried, tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    report = tmp_path / "others" / "a.xml"
    report.write_text('<testsuite><testcase name="secret-sentinel"><failure/></testcase></testsuite>')
    script = f'touch -d tomorrow {report}; rmdir "$RAIBID_REPORTS"; ln -s {tmp_path}/others "$RAIBID_REPORTS"'

    job, log = tried(script)

    assert job.status is JobStatus.SUCCESS, log
    assert job.report is not None
    assert job.report.tests is None
    assert report.exists()


def test_a_cancelled_build_ends_with_all_it_started(
    quick: Ledger, repository: Repository, config: AgentConfig, stop: Stop
) -> None:
    repository.push(pipeline("setsid sleep 1000 & echo started $!; sleep 1000"))
    job_id = enqueue(quick, stranger(repository, {"README.md": "mine"}))
    running = Background(quick, config, stop)
    until(lambda: "started" in log_of(quick, job_id))

    quick.cancel(job_id, "somebody")

    assert running.join() == 0
    assert record(quick, job_id).status is JobStatus.CANCELLED
    child = log_of(quick, job_id).partition("started ")[2].split()[0]
    assert not Path("/proc", child).exists()


def test_a_step_over_its_memory_is_said_to_be(tried: Tried, config: AgentConfig) -> None:
    script = "/usr/bin/env python3 -c 'print(len(bytearray(1 << 30)))'"
    job, _ = tried(script, replace(config, memory_limit=256 << 20))
    assert job.reason == "step 1: killed: memory limit"


def test_a_step_that_runs_too_long_is_said_to_have(repository: Repository, built: Built) -> None:
    repository.push(pipeline("sleep 1000", timeout="1s"))
    job = built(stranger(repository, {"README.md": "mine"}))
    assert job.reason == "step 1: the pipeline's timeout of 1 s is used up"


# --- agents that cannot keep a stranger out ---------------------------------------------------------------------------


def test_an_agent_that_cannot_keep_a_stranger_out_gives_the_job_back(
    tried: Tried, config: AgentConfig, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(tmp_path / "docker.sock"))
        job, log = tried("echo ran", replace(config, doors=(tmp_path / "docker.sock",)))
    assert job.status is JobStatus.QUEUED
    assert job.reason.startswith("forks are not built on this agent: the agent's user may write to")
    assert "ran" not in log.split()


def test_where_there_is_no_landlock_forks_are_built_only_if_the_operator_says_so(
    tried: Tried, config: AgentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    refused, _ = tried("echo ran")
    allowed, log = tried("echo ran", replace(config, forks_without_landlock=True))
    assert (refused.status, "this kernel has no Landlock" in refused.reason) == (JobStatus.QUEUED, True)
    assert allowed.status is JobStatus.SUCCESS
    assert "built all the same, as this agent's operator wants: this kernel has no Landlock" in log


def test_the_operators_word_is_read_from_the_environment() -> None:
    env = {Env.FORKS_WITHOUT_LANDLOCK: "true", Env.FORK_PASS_ENV: "A, B", Env.FORK_READ: "/srv/a:/srv/b"}
    env[Env.FORK_REGISTRIES] = "mirror.test, other.test"
    config = AgentConfig.from_env(env)
    assert config.forks_without_landlock
    assert config.fork_pass_env == ("A", "B")
    assert config.fork_read == (Path("/srv/a"), Path("/srv/b"))
    assert config.fork_registries == ("mirror.test", "other.test")
    assert not AgentConfig.from_env({}).forks_without_landlock
