"""Builds whose steps write reports, as the agent and `raibid exec` run them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from raibid.model.job import JobSpec, JobStatus
from raibid.worker.config import AgentConfig
from raibid.worker.pipeline_run import Result, run_local
from raibid.worker.stop import Stop, StopReason

SPEC = JobSpec(repo="dev/crate", clone_url="", ref="refs/heads/main")
REPORT = "<testsuites><testsuite name='s'><testcase name='%s'>%s</testcase></testsuite></testsuites>"


class Screen:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.text = ""

    def step(self, name: str) -> None: ...

    def write(self, text: bytes) -> None:
        self.text += text.decode()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "crate").mkdir()
    return tmp_path / "crate"


def run(directory: Path, config: AgentConfig, script: str = "", keys: str = "") -> tuple[Result, str]:
    """Run a pipeline of one step, or the directory's own."""
    if script:
        (directory / ".raibid.yaml").write_text(f"{keys}\nsteps:\n- name: only\n  run: |\n    {script}\n")
    screen = Screen()
    with Stop() as stop:
        return run_local(directory, screen, stop, config=config, spec=SPEC), screen.text


def test_what_a_step_writes_into_the_reports_folder_is_in_the_builds_report(
    directory: Path, config: AgentConfig
) -> None:
    result, log = run(directory, config, f'echo "{REPORT % ("it_works", "")}" > "$RAIBID_REPORTS/a.xml"')
    assert result.report.tests is not None
    assert result.report.tests.sentence == "1 test: 1 passed"
    assert "--- reports\n1 test: 1 passed\n" in log


def test_reports_in_the_checkout_are_read_where_the_pipeline_says(directory: Path, config: AgentConfig) -> None:
    write = f'mkdir -p target; echo "{REPORT % ("it_works", "")}" > target/a.xml'
    assert run(directory, config, write)[0].report.tests is None
    (directory / "target" / "a.xml").unlink()
    assert run(directory, config, write, "reports: {junit: target/*.xml}")[0].report.tests is not None


def test_a_failed_build_reports_too_and_stays_failed(directory: Path, config: AgentConfig) -> None:
    failure = REPORT % ("it_works", "<failure message='no'/>")
    result, _ = run(directory, config, f'echo "{failure}" > "$RAIBID_REPORTS/a.xml"; exit 7')
    assert (result.outcome, result.report.exit_code) == (JobStatus.FAILED, 7)
    assert result.report.tests is not None
    assert result.report.tests.failures[0].message == "no"


def test_a_broken_report_is_a_line_in_the_log_and_no_failure(directory: Path, config: AgentConfig) -> None:
    result, log = run(directory, config, 'echo "<testsuites>" > "$RAIBID_REPORTS/a.xml"')
    assert result.outcome is JobStatus.SUCCESS
    assert "--- reports\nreport a.xml is not read: not well-formed XML" in log


def test_a_report_that_never_came_is_said_when_all_went_well(directory: Path, config: AgentConfig) -> None:
    keys = "reports: {junit: [junit.xml, out/*.xml]}"
    missing = "no new file with tests matches reports: junit.xml, out/*.xml"
    assert missing in run(directory, config, "true", keys)[1]
    assert missing not in run(directory, config, "false", keys)[1]


def test_a_build_without_reports_says_nothing_of_them(directory: Path, config: AgentConfig) -> None:
    assert "reports" not in run(directory, config, "true")[1]


def test_secrets_are_masked_in_reports_as_in_the_log(directory: Path, config: AgentConfig, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "TOKEN").write_text("secret-sentinel")
    leak = REPORT % ("$TOKEN", "<failure message='$TOKEN'/>")
    agent = replace(config, secrets_dir=tmp_path / "secrets")
    result, log = run(directory, agent, f'echo "{leak}" > "$RAIBID_REPORTS/$TOKEN.xml"', "secrets: [TOKEN]")
    assert "secret-sentinel" not in f"{result.report} {log}"
    assert result.report.tests is not None
    assert result.report.tests.failures[0].name == "***"


def test_the_folder_goes_with_the_build(directory: Path, config: AgentConfig) -> None:
    _, log = run(directory, config, 'echo "at $RAIBID_REPORTS"; chmod 500 "$RAIBID_REPORTS"')
    [folder] = [Path(line.removeprefix("at ")) for line in log.splitlines() if line.startswith("at ")]
    assert not folder.exists()
    assert not folder.is_relative_to(directory)


def test_a_folder_that_a_step_removes_costs_its_reports_and_nothing_else(directory: Path, config: AgentConfig) -> None:
    assert run(directory, config, 'rm -rf "$RAIBID_REPORTS"')[0].outcome is JobStatus.SUCCESS


def test_a_build_that_is_stopped_reads_no_reports(directory: Path, config: AgentConfig) -> None:
    with Stop() as stop:

        class Impatient(Screen):
            def write(self, text: bytes) -> None:
                super().write(text)
                if b"under way" in text:
                    stop.request(StopReason.CANCELLED)

        step = f"""echo "{REPORT % ("it_works", "")}" > "$RAIBID_REPORTS/a.xml"; echo under way; sleep 60"""
        (directory / ".raibid.yaml").write_text(f"steps:\n- name: only\n  run: |\n    {step}\n")
        screen = Impatient()
        result = run_local(directory, screen, stop, config=config, spec=SPEC)
    assert (result.outcome, result.report.tests) == (JobStatus.CANCELLED, None)
    assert "--- reports" not in screen.text


def crate(directory: Path, library: str) -> None:
    assert shutil.which("cargo"), "cargo is not on PATH: install Rust (rustup, or the distribution's cargo)"
    files = {
        "Cargo.toml": '[package]\nname = "tiny"\nversion = "0.1.0"\nedition = "2021"\n',
        "src/lib.rs": library,
        ".gitignore": "target\nCargo.lock\n",
    }
    for name, content in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(content)
    for arguments in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *arguments], cwd=directory, check=True)


def test_a_rust_projects_remarks_are_annotations_and_the_log_reads_as_ever(
    directory: Path, config: AgentConfig
) -> None:
    crate(directory, "pub fn four() -> u8 {\n    let unused = 1;\n    return 4;\n}\n")
    result, log = run(directory, replace(config, grace=5.0))
    assert (result.outcome, result.report.failed_step, result.report.exit_code) == (JobStatus.FAILED, "clippy", 101)
    assert [(a.file, a.line, a.level, a.code) for a in result.report.annotations] == [
        ("src/lib.rs", 2, "error", "unused_variables"),
        ("src/lib.rs", 3, "error", "clippy::needless_return"),
    ]
    assert log.count("unneeded `return` statement") == 1
    assert '{"reason"' not in log
    assert "--- reports\ncargo: 2 errors\n" in log
    changed = subprocess.run(
        ["git", "ls-files", "-mo", "--exclude-standard"], cwd=directory, capture_output=True, check=True
    )
    assert changed.stdout == b""


def test_what_does_not_compile_is_an_annotation_too(directory: Path, config: AgentConfig) -> None:
    crate(directory, 'pub fn four() -> u8 {\n    "4"\n}\n')
    result, _ = run(directory, replace(config, grace=5.0))
    assert result.report.failed_step == "check"
    [annotation] = result.report.annotations
    assert (annotation.line, annotation.code, annotation.message) == (2, "E0308", "mismatched types")


@pytest.mark.skipif(shutil.which("cargo-nextest") is None, reason="no cargo-nextest here; the agents' image has it")
def test_nextest_reports_beside_the_repositorys_own_settings(directory: Path, config: AgentConfig) -> None:
    flaky = 'let seen = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("seen");'
    (directory / "tests").mkdir()
    (directory / "tests" / "all.rs").write_text(
        '#[test]\nfn a_fails() {\n    assert_eq!(2 + 2, 5, "sum");\n}\n\n'
        f"#[test]\nfn b_is_flaky() {{\n    {flaky}\n    assert!(std::fs::create_dir(seen).is_err());\n}}\n\n"
        "#[test]\nfn c_works() {}\n"
    )
    (directory / ".config").mkdir()
    (directory / ".config" / "nextest.toml").write_text("[profile.default]\nretries = 1\ntest-threads = 1\n")
    crate(directory, "pub fn four() -> u8 {\n    4\n}\n")
    result, log = run(directory, replace(config, grace=5.0))
    assert (result.report.failed_step, result.report.exit_code) == ("test", 100), log
    tests = result.report.tests
    assert tests is not None
    assert tests.sentence == "3 tests: 2 passed, 1 failed, 1 flaky"
    assert [(case.suite, case.name, case.runs) for case in tests.failures] == [("tiny::all", "a_fails", 2)]
    assert "left: 4" in tests.failures[0].message
    assert [(case.name, case.runs) for case in tests.flakes] == [("b_is_flaky", 2)]
    assert not list(directory.rglob("nextest.xml"))
