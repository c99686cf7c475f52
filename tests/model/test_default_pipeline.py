"""The pipeline of a repository without a file."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

from raibid.model.default_pipeline import default_pipeline


def commands(listing: set[str], tools: set[str]) -> dict[str, str]:
    """The default's commands by step."""
    pipeline = default_pipeline(listing, tools)
    assert pipeline is not None
    return {step.name: step.run for step in pipeline.steps}


KEPT = '"$RAIBID_PYTHON" -P -m raibid.worker.cargo_messages "$RAIBID_REPORTS/{}.json" '
JSON = "--message-format=json-diagnostic-rendered-ansi"


def test_a_cargo_project_is_checked_linted_tested_and_built() -> None:
    assert commands({"Cargo.toml"}, {"cargo"}) == {
        "check": f"{KEPT.format('check')}cargo check --workspace --all-targets {JSON}",
        "clippy": f"{KEPT.format('clippy')}cargo clippy --workspace --all-targets {JSON} -- -D warnings",
        "test": "cargo test --workspace",
        "build": "cargo build --workspace --release",
    }


def test_a_lock_file_is_obeyed_by_every_cargo_command_that_builds() -> None:
    for step, run in commands({"Cargo.toml", "Cargo.lock"}, {"cargo-nextest", "cargo-audit"}).items():
        assert ("--locked" in run) == (step != "audit")


def test_lock_files_change_no_argument_of_clippy() -> None:
    assert commands({"Cargo.toml", "Cargo.lock"}, set())["clippy"].endswith(f"--locked {JSON} -- -D warnings")


def test_nextest_runs_the_tests_where_it_is_installed() -> None:
    assert "cargo nextest run --workspace" in commands({"Cargo.toml"}, {"cargo-nextest"})["test"]


def test_nextests_junit_file_is_asked_for_outside_of_the_checkout(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "my reports").mkdir()
    cargo = tmp_path / "bin" / "cargo"
    cargo.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    cargo.chmod(0o755)
    env = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "RAIBID_REPORTS": str(tmp_path / "my reports")}
    script = commands({"Cargo.toml"}, {"cargo-nextest"})["test"]
    done = subprocess.run(["sh", "-ec", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    config = tmp_path / "my reports" / "nextest.toml"
    assert f"--tool-config-file\nraibid:{config}\n" in done.stdout
    profile = tomllib.loads(config.read_text())["profile"]["default"]
    assert profile == {"fail-fast": False, "junit": {"path": str(tmp_path / "my reports" / "nextest.xml")}}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "my reports"]


def test_audit_runs_only_where_it_is_installed() -> None:
    assert "audit" not in commands({"Cargo.toml"}, set())
    assert commands({"Cargo.toml"}, {"cargo-audit"})["audit"] == "cargo audit"


def test_a_project_of_no_known_kind_has_nothing_to_run() -> None:
    assert default_pipeline({"README.md"}, {"cargo"}) is None
