"""The pipeline of a repository without a file."""

from __future__ import annotations

from raibid.model.default_pipeline import default_pipeline


def commands(listing: set[str], tools: set[str]) -> dict[str, str]:
    """The default's commands by step."""
    pipeline = default_pipeline(listing, tools)
    assert pipeline is not None
    return {step.name: step.run for step in pipeline.steps}


def test_a_cargo_project_is_checked_linted_tested_and_built() -> None:
    assert commands({"Cargo.toml"}, {"cargo"}) == {
        "check": "cargo check --workspace --all-targets",
        "clippy": "cargo clippy --workspace --all-targets -- -D warnings",
        "test": "cargo test --workspace",
        "build": "cargo build --workspace --release",
    }


def test_a_lock_file_is_obeyed_by_every_cargo_command_that_builds() -> None:
    for step, run in commands({"Cargo.toml", "Cargo.lock"}, {"cargo-nextest", "cargo-audit"}).items():
        assert ("--locked" in run) == (step != "audit")


def test_lock_files_change_no_argument_of_clippy() -> None:
    assert commands({"Cargo.toml", "Cargo.lock"}, set())["clippy"].endswith("--locked -- -D warnings")


def test_nextest_runs_the_tests_where_it_is_installed() -> None:
    assert commands({"Cargo.toml"}, {"cargo-nextest"})["test"].startswith("cargo nextest run")


def test_audit_runs_only_where_it_is_installed() -> None:
    assert "audit" not in commands({"Cargo.toml"}, set())
    assert commands({"Cargo.toml"}, {"cargo-audit"})["audit"] == "cargo audit"


def test_a_project_of_no_known_kind_has_nothing_to_run() -> None:
    assert default_pipeline({"README.md"}, {"cargo"}) is None
