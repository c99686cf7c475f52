"""The pipeline of a repository that has no `.raibid.yaml`.

Owns: which kinds of project are known, and what a good build of them is.
Leaves to others: looking at the checkout and the tools (`raibid.worker`).
"""

from __future__ import annotations

from collections.abc import Collection

from raibid.model.pipeline import Pipeline, Step


def default_pipeline(listing: Collection[str], tools: Collection[str]) -> Pipeline | None:
    """The pipeline for a checkout, or None when there is nothing to run.

    Args:
        listing: names of the files in the repository's root.
        tools: names of the commands on the agent's PATH.
    """
    if "Cargo.toml" in listing:
        return _rust(locked="Cargo.lock" in listing, tools=tools)
    return None


def _rust(*, locked: bool, tools: Collection[str]) -> Pipeline:
    # Without a Cargo.lock, --locked fails; with one, a build that would change it is not the commit's build.
    flag = " --locked" if locked else ""
    # nextest fails a crate without tests unless told; `cargo test` does not.
    test = "cargo nextest run --workspace --no-tests=pass" if "cargo-nextest" in tools else "cargo test --workspace"
    steps = [
        Step(name="check", run=f"cargo check --workspace --all-targets{flag}"),
        Step(name="clippy", run=f"cargo clippy --workspace --all-targets{flag} -- -D warnings"),
        Step(name="test", run=test + flag),
        Step(name="build", run=f"cargo build --workspace --release{flag}"),
    ]
    if "cargo-audit" in tools:
        steps.append(Step(name="audit", run="cargo audit"))
    return Pipeline(steps=tuple(steps))
