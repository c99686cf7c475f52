"""What the agent adds to a build: the same repository, the same commands, the same cargo cache; with and without it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench.figure import Figure, paired
from tests.bench.pool import pool, repository

COMMANDS = ("cargo check --all-targets", "cargo test", "cargo build --release")
PIPELINE = "steps:\n" + "".join(f"  - name: {c.split()[1]}\n    run: {c}\n" for c in COMMANDS)
MODULES = 25
"""Makes a build of about 15 s on two cores: long enough for the agent's share to be a share."""
ROUNDS = 3


def crate() -> dict[str, str]:
    """A crate without dependencies that takes the compiler a while."""
    module = "\n".join(
        f"pub fn f{n}(x: u64) -> String {{ let mut v: Vec<u64> = (0..x).map(|i| i * {n}).collect(); v.sort(); "
        f'format!("{{:?}}", v.iter().filter(|i| *i % {n + 2} == 0).collect::<Vec<_>>()) }}'
        for n in range(20)
    )
    test = "#[cfg(test)] mod tests { #[test] fn adds() { assert_eq!(2 + 2, 4); } }"
    return {
        ".raibid.yaml": PIPELINE,
        "Cargo.toml": '[package]\nname = "bench"\nversion = "0.1.0"\nedition = "2021"\n',
        "src/lib.rs": "".join(f"pub mod m{n};\n" for n in range(MODULES)) + test,
        **{f"src/m{n}.rs": module for n in range(MODULES)},
    }


def bare(source: Path) -> float:
    """Seconds for clone and commands by a shell."""
    with tempfile.TemporaryDirectory() as name:
        script = f"git clone -q --depth 1 {source.as_uri()} app && cd app && " + " && ".join(COMMANDS)
        begin = time.perf_counter()
        subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script], cwd=name, check=True, capture_output=True,
            env={**os.environ, "CARGO_TERM_COLOR": "always", "CARGO_TERM_PROGRESS_WHEN": "never"},
        )  # fmt: skip
        return time.perf_counter() - begin


def measure() -> list[Figure]:
    if shutil.which("cargo") is None:
        raise RuntimeError("this bench needs cargo on PATH: install Rust, or name the other benches")
    with pool(max_agents=1) as bench:
        source = repository(bench.directory / "source", crate())

        def by_agent() -> float:
            job = bench.result(bench.enqueue(source))
            return job.finished - job.started

        by_agent()  # the file cache is warm for both
        ours, theirs = paired(ROUNDS, by_agent, lambda: bare(source))
    share = (ours / theirs - 1) * 100
    return [
        Figure(
            what="a build by an agent, claim to finish", value=ours, unit="s",
            twin_name="the bare commands", twin=theirs, goal="< 2 % more", met=share < 2,
        )
    ]  # fmt: skip
