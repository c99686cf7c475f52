"""A pipeline against a directory, as the agent and `raibid exec` run it."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from raibid.model.job import JobSpec, JobStatus
from raibid.worker.config import AgentConfig
from raibid.worker.errors import WorkspaceFullError
from raibid.worker.pipeline_run import Place, Result, run_checkout, run_local, step_report
from raibid.worker.steps import Ended
from raibid.worker.stop import Stop
from raibid.worker.workspace import TIGHT_BELOW, Room, room_left

from tests.worker.conftest import pipeline


class Screen:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.text = ""
        self.steps: list[str] = []

    def step(self, name: str) -> None:
        self.steps.append(name)

    def write(self, text: bytes) -> None:
        self.text += text.decode()


SPEC = JobSpec(repo="dev/crate", clone_url="", ref="refs/heads/topic", sha="0" * 40, changed=("docs/a.md",))

SPEC_WITH_PARAMS = JobSpec(repo="dev/crate", clone_url="", ref="refs/heads/topic", params={"COLOUR": "blue"})


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "crate").mkdir()
    return tmp_path / "crate"


@pytest.fixture
def screen() -> Screen:
    return Screen()


def run(files: dict[str, str], directory: Path, screen: Screen, config: AgentConfig, spec: JobSpec = SPEC) -> Result:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    with Stop() as stop:
        return run_local(directory, screen, stop, config=config, spec=spec)


def test_steps_see_their_commit_and_nothing_of_the_agents_environment(
    directory: Path, screen: Screen, config: AgentConfig
) -> None:
    agent = replace(config, environment={**config.environment, "RAIBID_REDIS_PASSWORD": "pw", "SEEN": "1", "HID": "1"})
    run(pipeline("env"), directory, screen, replace(agent, pass_env=("SEEN",)), SPEC_WITH_PARAMS)
    seen = dict(line.split("=", 1) for line in screen.text.splitlines() if "=" in line)
    assert seen["RAIBID_BRANCH"] == "topic"
    assert seen["RAIBID_STEP"] == "step 1"
    assert (seen["CI"], seen["SEEN"], seen["COLOUR"]) == ("true", "1", "blue")
    assert "RAIBID_REDIS_PASSWORD" not in seen
    assert "HID" not in seen
    assert seen["HOME"] != os.environ["HOME"]


def test_a_pull_request_from_a_fork_gets_no_secrets_and_is_built_without(
    directory: Path, screen: Screen, config: AgentConfig, tmp_path: Path
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "TOKEN").write_text("secret-sentinel")
    agent = replace(config, secrets_dir=tmp_path / "secrets")
    files = pipeline('echo "token: <${TOKEN-unset}>"', secrets="[TOKEN]")
    run(files, directory, screen, agent, msgspec.structs.replace(SPEC, event="pull_request", fork="runner/crate"))
    assert "token: <unset>" in screen.text
    assert "a pull request from runner/crate gets no secrets: TOKEN are not set" in screen.text
    run(files, directory, screen, agent, msgspec.structs.replace(SPEC, event="pull_request"))
    assert "token: <***>" in screen.text


def test_a_step_whose_filter_does_not_fit_is_skipped_not_failed(
    directory: Path, screen: Screen, config: AgentConfig
) -> None:
    text = """
steps:
  - {name: main, run: exit 1, when: {branch: main}}
  - {name: code, run: exit 1, when: {path: "src/**"}}
  - {name: docs, run: echo docs ran, when: {path: "docs/**"}}
"""
    result = run({".raibid.yaml": text}, directory, screen, config)
    assert result.outcome is JobStatus.SUCCESS
    assert [s.outcome for s in result.report.steps] == ["skipped", "skipped", "success"]
    assert "docs ran" in screen.text


def test_the_pipelines_timeout_holds_for_all_steps_together(
    directory: Path, screen: Screen, config: AgentConfig
) -> None:
    result = run(pipeline("true", "sleep 1000", timeout="1s"), directory, screen, config)
    assert result.outcome is JobStatus.FAILED
    assert result.report.steps[1].outcome == "timeout"
    assert result.report.reason == "step 2: the pipeline's timeout of 1 s is used up"
    assert "timed out" not in screen.text


def test_a_pipeline_that_wants_more_time_than_the_pool_has_ends_in_time_and_says_why(
    directory: Path, screen: Screen, config: AgentConfig
) -> None:
    agent = replace(config, deadline=time.monotonic() + 1)
    result = run(pipeline("true", "sleep 1000", timeout="1h"), directory, screen, agent)
    assert result.outcome is JobStatus.FAILED
    reason = r"step 2: the pool had [01] s for it, less than the pipeline's timeout of 3600 s"
    assert re.fullmatch(reason, result.report.reason)


def test_what_a_step_leaves_in_the_checkout_the_next_one_finds(
    directory: Path, screen: Screen, config: AgentConfig
) -> None:
    assert run(pipeline("echo kept > file", "cat file"), directory, screen, config).outcome is JobStatus.SUCCESS
    assert "kept\n" in screen.text


def test_a_failing_build_names_the_memory_limit_that_killed_it(
    directory: Path, screen: Screen, config: AgentConfig
) -> None:
    eat = f"'{sys.executable}' -c 'b = bytearray(900_000_000)'"
    result = run(pipeline(eat), directory, screen, replace(config, memory_limit=300 * 2**20))
    assert result.report.reason == "step 1: killed: memory limit"
    assert "memory limit: 300 MiB" in screen.text


def test_a_step_that_fails_on_a_full_disk_is_not_the_codes_fault(
    directory: Path, screen: Screen, config: AgentConfig, stop: Stop
) -> None:
    (directory / ".raibid.yaml").write_text(pipeline("exit 1")[".raibid.yaml"])
    full = Room(free=4096)
    place = Place(checkout=directory, env=dict(os.environ), spec=SPEC, config=config, room_left=lambda _: full)
    with pytest.raises(WorkspaceFullError, match="workspace full"):
        run_checkout(place, screen, stop)


def test_a_real_refusal_by_the_kernel_is_found_out(
    directory: Path, screen: Screen, config: AgentConfig, stop: Stop
) -> None:
    # Both without mounting anything: /dev/full refuses to be written, /proc has neither a free block nor an inode.
    assert room_left(Path("/proc")).free == 0
    (directory / ".raibid.yaml").write_text(pipeline("dd if=/dev/zero of=/dev/full bs=64k")[".raibid.yaml"])
    tight = Room(free=TIGHT_BELOW - 1)
    place = Place(checkout=directory, env=dict(os.environ), spec=SPEC, config=config, room_left=lambda _: tight)
    with pytest.raises(WorkspaceFullError):
        run_checkout(place, screen, stop)
    assert "No space left on device" in screen.text


def test_an_unfinished_line_is_shown_while_the_step_is_silent(
    directory: Path, screen: Screen, config: AgentConfig
) -> None:
    (directory / "answer").touch()
    waiting = "printf 'sure? '; while [ -e answer ]; do sleep 0.01; done; echo yes"
    show = screen.write

    def answer(text: bytes) -> None:
        show(text)
        if screen.text.endswith("sure? "):
            (directory / "answer").unlink()

    screen.write = answer  # type: ignore[method-assign]
    assert run(pipeline(waiting), directory, screen, config).outcome is JobStatus.SUCCESS
    assert "sure? yes\nsuccess in" in screen.text


def test_the_agents_own_words_start_a_line_whatever_was_shown_before(
    directory: Path, screen: Screen, config: AgentConfig
) -> None:
    run(pipeline("head -c 5000 /dev/zero | tr '\\0' x"), directory, screen, config)
    assert "xx\nsuccess in" in screen.text


@pytest.mark.parametrize(
    ("ended", "outcome", "reason"),
    [
        (Ended(exit_code=0, seconds=1, peak_rss=1), "success", ""),
        (Ended(exit_code=2, seconds=1, peak_rss=1), "failed", "exit code 2"),
        (Ended(exit_code=-11, seconds=1, peak_rss=1), "failed", "killed by signal 11"),
        (Ended(exit_code=1, seconds=1, peak_rss=1, out_of_memory=True), "failed", "killed: memory limit"),
        (Ended(exit_code=-15, seconds=1, peak_rss=1, cause="timeout"), "timeout", "timed out after 9 s"),
        (Ended(exit_code=-15, seconds=1, peak_rss=1, cause="cancelled"), "cancelled", "cancelled"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_end_of_a_command_means(ended: Ended, outcome: str, reason: str) -> None:
    report = step_report("x", ended, "timed out after 9 s")
    assert (report.outcome, report.reason) == (outcome, reason)


def test_a_crate_without_a_pipeline_file_gets_the_rust_pipeline(
    directory: Path, screen: Screen, config: AgentConfig
) -> None:
    assert shutil.which("cargo"), "cargo is not on PATH: install Rust (rustup, or the distribution's cargo)"
    files = {
        "Cargo.toml": '[package]\nname = "tiny"\nversion = "0.1.0"\nedition = "2021"\n',
        "src/lib.rs": "pub fn four() -> u8 {\n    4\n}\n\n#[test]\nfn it_is() {\n    assert_eq!(four(), 4);\n}\n",
    }
    result = run(files, directory, screen, replace(config, grace=5.0))
    assert result.outcome is JobStatus.SUCCESS, screen.text
    names = [s.name for s in result.report.steps]
    assert names[:4] == ["check", "clippy", "test", "build"]
    assert "test result: ok" in screen.text or "1 passed" in screen.text
    assert "\x1b[" in screen.text  # colours
