"""A stranger's build reports as any other: its steps reach their folder and the agent's wrapper through the fence."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from raibid.contract import Env
from raibid.ledger import Ledger
from raibid.worker import landlock
from raibid.worker.config import AgentConfig
from raibid.worker.fence import OLDEST_ABI

from tests.worker.conftest import Built, Repository, log_of

pytestmark = [
    pytest.mark.skipif(landlock.version() < OLDEST_ABI, reason="this kernel has no Landlock, or an old one"),
    pytest.mark.skipif(shutil.which("cargo") is None, reason="no cargo here"),
]


@pytest.fixture
def config(config: AgentConfig, tmp_path: Path) -> AgentConfig:
    rustup = os.environ.get("RUSTUP_HOME") or str(Path.home() / ".rustup")
    agent = {"PATH": os.environ["PATH"], "RUSTUP_HOME": rustup, Env.REDIS_PASSWORD: "pw"}
    return replace(config, doors=(), grace=5.0, environment={**agent, "HOME": str(tmp_path)})


def test_clippys_remarks_on_a_strangers_crate_are_annotations(
    ledger: Ledger, repository: Repository, built: Built
) -> None:
    files = {
        "Cargo.toml": '[package]\nname = "tiny"\nversion = "0.1.0"\nedition = "2021"\n[lib]\npath = "lib.rs"\n',
        "lib.rs": "pub fn four() -> u8 {\n    return 4;\n}\n",
    }
    repository.push({"README.md": "ours"})
    sha = repository.pull_request(7, files)
    job = built(repository.spec(sha, ref="refs/pull/7/head", event="pull_request", fork="eve/crate", base="main"))
    assert job.report is not None
    assert job.report.failed_step == "clippy", log_of(ledger, job.id)
    [annotation] = job.report.annotations
    assert (annotation.file, annotation.line, annotation.code) == ("lib.rs", 2, "clippy::needless_return")
