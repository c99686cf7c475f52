"""Caches and a stranger's build: it uses what trusted builds have fetched, and leaves nothing for them. Real cargo."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from raibid.contract import Env
from raibid.ledger import Ledger
from raibid.model.job import JobSpec, JobStatus
from raibid.worker import landlock
from raibid.worker.cargo_home import own_cargo_home
from raibid.worker.config import AgentConfig
from raibid.worker.errors import InterruptedBuildError
from raibid.worker.fence import OLDEST_ABI
from raibid.worker.stop import Stop, StopReason

from tests.worker.conftest import Built, Repository, log_of, pipeline
from tests.worker.crate_registry import CrateRegistry, snapshot

needs_landlock = pytest.mark.skipif(
    landlock.version() < OLDEST_ABI, reason="this kernel has no Landlock, or an old one"
)
needs_cargo = pytest.mark.skipif(shutil.which("cargo") is None, reason="no cargo here")

MANIFEST = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n'


@pytest.fixture
def registry() -> Iterator[CrateRegistry]:
    with CrateRegistry() as registry:
        registry.publish("alpha", 'pub fn word() -> &\'static str { "good" }')
        registry.publish("later", 'pub fn word() -> &\'static str { "new" }')
        yield registry


@pytest.fixture
def shared(tmp_path: Path, registry: CrateRegistry) -> Path:
    """CARGO_HOME of the agent: with the operator's settings, and a token that is nobody else's business."""
    home = tmp_path / "cargo"
    home.mkdir()
    (home / "config.toml").write_text(registry.settings)
    (home / "credentials.toml").write_text('[registry]\ntoken = "secret-sentinel"\n')
    return home


@pytest.fixture
def config(config: AgentConfig, shared: Path) -> AgentConfig:
    rustup = os.environ.get("RUSTUP_HOME") or str(Path.home() / ".rustup")
    agent = {"PATH": os.environ["PATH"], "RUSTUP_HOME": rustup, "CARGO_HOME": str(shared), Env.REDIS_PASSWORD: "pw"}
    return replace(config, doors=(), environment={**agent, "HOME": str(shared.parent / "home")})


def app(*crates: str, more: str = "") -> dict[str, str]:
    words = ", ".join(f"{crate}::word()" for crate in crates)
    code = f'fn main() {{ println!("words: {{:?}}", [{words}]); {more} }}'
    return {"Cargo.toml": MANIFEST + "".join(f'{crate} = "1"\n' for crate in crates), "main.rs": code}


BUILD = "mkdir -p src; cp main.rs src/; cargo run --quiet"


def pull(repository: Repository, files: dict[str, str]) -> JobSpec:
    return repository.spec(
        repository.pull_request(7, files), ref="refs/pull/7/head", event="pull_request", fork="eve/crate", base="main"
    )


@needs_landlock
@needs_cargo
def test_a_fork_uses_the_shared_registry_and_keeps_what_it_fetches_to_itself(
    ledger: Ledger, repository: Repository, built: Built, registry: CrateRegistry, shared: Path
) -> None:
    sha = repository.push({**pipeline(BUILD), **app("alpha")})
    assert built(repository.spec(sha)).status is JobStatus.SUCCESS
    before = snapshot(shared)

    job = built(pull(repository, app("alpha", "later")))

    log = log_of(ledger, job.id)
    assert job.status is JobStatus.SUCCESS, log
    assert 'words: ["good", "new"]' in log
    assert registry.fetched == ["alpha", "later"]
    assert snapshot(shared) == before


@needs_landlock
@needs_cargo
def test_a_fork_builds_offline_from_the_shared_registry(
    ledger: Ledger, repository: Repository, built: Built, shared: Path
) -> None:
    repository.push({**pipeline(BUILD), **app("alpha")})
    assert built(repository.spec()).status is JobStatus.SUCCESS
    repository.push(pipeline(f"{BUILD} --offline"))

    job = built(pull(repository, app("alpha", more="let _ = 1;")))

    assert job.status is JobStatus.SUCCESS, log_of(ledger, job.id)


@needs_landlock
@needs_cargo
def test_a_fork_that_poisons_the_shared_cache_fails_and_the_next_trusted_build_sees_nothing(
    ledger: Ledger, repository: Repository, built: Built, shared: Path
) -> None:
    trusted = repository.push({**pipeline(BUILD), **app("alpha")})
    assert built(repository.spec(trusted)).status is JobStatus.SUCCESS
    before = snapshot(shared)
    source = next(shared.glob("registry/src/*/alpha-1.0.0/src/lib.rs"))
    evil = f'std::fs::write("{source}", "pub fn word() -> &\'static str {{ \\"evil\\" }}").unwrap();'

    poisoner = built(pull(repository, app("alpha", more=evil)))
    after = built(repository.spec(trusted))

    assert poisoner.status is JobStatus.FAILED
    assert "PermissionDenied" in log_of(ledger, poisoner.id)
    assert snapshot(shared) == before
    assert 'words: ["good"]' in log_of(ledger, after.id)


# --- the home itself -------------------------------------------------------------------------------------------------


WITH_CREDENTIALS = (
    '[registries.own]\ntoken = "x"',
    '[http]\nproxy = "u:p@host"',
    '[source.a]\nregistry = "https://u:p@host"',
    "unreadable =",
)


def test_credentials_and_settings_that_hold_one_are_not_taken_over(tmp_path: Path, shared: Path, stop: Stop) -> None:
    assert own_cargo_home(shared, tmp_path / "plain", stop) == []
    assert (tmp_path / "plain/config.toml").read_text() == (shared / "config.toml").read_text()

    for number, line in enumerate(WITH_CREDENTIALS):
        (shared / "config.toml").write_text(line)
        (note,) = own_cargo_home(shared, tmp_path / str(number), stop)
        assert note == "cargo's shared config.toml is left out: it may hold a credential"
        assert not (tmp_path / str(number) / "config.toml").exists()
    assert not list(tmp_path.rglob("own*/credentials*"))


def test_half_unpacked_crates_are_not_shared(tmp_path: Path, shared: Path, stop: Stop) -> None:
    for name in ("whole-1.0.0/.cargo-ok", "half-1.0.0/Cargo.toml"):
        path = shared / "registry/src/index" / name
        path.parent.mkdir(parents=True)
        path.touch()
    own_cargo_home(shared, tmp_path / "own", stop)
    assert [path.name for path in (tmp_path / "own/registry/src/index").iterdir()] == ["whole-1.0.0"]


def test_an_agent_without_a_shared_home_shares_nothing(tmp_path: Path, stop: Stop) -> None:
    assert own_cargo_home(None, tmp_path / "a", stop) == []
    assert own_cargo_home(tmp_path / "none", tmp_path / "b", stop) == []


def test_while_a_cargo_fetches_nothing_is_shared_and_a_stop_ends_the_wait(
    tmp_path: Path, shared: Path, stop: Stop
) -> None:
    (shared / "registry/cache/index").mkdir(parents=True)
    with (shared / ".package-cache").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (note,) = own_cargo_home(shared, tmp_path / "own", stop, patience=0.0)
        stop.request(StopReason.CANCELLED)
        with pytest.raises(InterruptedBuildError):
            own_cargo_home(shared, tmp_path / "other", stop)
    assert "fetched anew" in note
    assert not (tmp_path / "own/registry").exists()
