"""The pipeline of a repository that has no `.raibid.yaml`.

Owns: which kinds of project are known, and what a good build of them is.
Leaves to others: looking at the checkout and the tools (`raibid.worker`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

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


_REMARKS: Final = '"$RAIBID_PYTHON" -P -m raibid.worker.cargo_messages "$RAIBID_REPORTS/{step}.json" {command}'
_AS_JSON: Final = "--message-format=json-diagnostic-rendered-ansi"
# Below the repository's own .config/nextest.toml, which wins, and above nextest's defaults.
_NEXTEST_CONFIG: Final = r"""cat > "$RAIBID_REPORTS/nextest.toml" <<END
[profile.default]
fail-fast = false
[profile.default.junit]
path = '$RAIBID_REPORTS/nextest.xml'
END
"""


def _rust(*, locked: bool, tools: Collection[str]) -> Pipeline:
    # Without a Cargo.lock, --locked fails; with one, a build that would change it is not the commit's build.
    flag = " --locked" if locked else ""
    check = f"cargo check --workspace --all-targets{flag} {_AS_JSON}"
    clippy = f"cargo clippy --workspace --all-targets{flag} {_AS_JSON} -- -D warnings"
    test = f"cargo test --workspace{flag}"
    if "cargo-nextest" in tools:
        # nextest fails a crate without tests unless told; `cargo test` does not.
        config = '--tool-config-file "raibid:$RAIBID_REPORTS/nextest.toml"'
        test = f"{_NEXTEST_CONFIG}cargo nextest run --workspace --no-tests=pass {config}{flag}"
    steps = [
        Step(name="check", run=_REMARKS.format(step="check", command=check)),
        Step(name="clippy", run=_REMARKS.format(step="clippy", command=clippy)),
        Step(name="test", run=test),
        Step(name="build", run=f"cargo build --workspace --release{flag}"),
    ]
    if "cargo-audit" in tools:
        steps.append(Step(name="audit", run="cargo audit"))
    return Pipeline(steps=tuple(steps))
