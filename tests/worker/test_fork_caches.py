"""Caches and a stranger's build: it uses what trusted builds have fetched, and leaves nothing for them. Real cargo."""

from __future__ import annotations

import fcntl
import os
import shutil
import tomllib
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
PUBLIC = "index.crates.io-1949cf8c6b5b557f"
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
    environment = {**agent, "HOME": str(shared.parent / "home")}
    return replace(config, doors=(), fork_registries=("127.0.0.1",), environment=environment)


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


LEFT_OUT = {
    '[registries.own]\ntoken = "x"': "registries.own.token",
    '[http]\nproxy = "u:p@host"': "http.proxy",
    '[env]\nAPI_TOKEN = "x"': "env.API_TOKEN",
    '[env]\nAPI_TOKEN = { value = "x", force = true }': "env.API_TOKEN.force, env.API_TOKEN.value",
    '[registry]\nglobal-credential-providers = ["helper --secret x"]': "registry.global-credential-providers",
    '[credential-alias]\nmine = ["helper", "x"]': "credential-alias.mine",
    '[registries.own]\nindex = "sparse+https://u:p@host/"': "registries.own.index",
    '[target.x86_64-unknown-linux-gnu]\nrustflags = ["ok", "https://u:p@host"]': (
        "target.x86_64-unknown-linux-gnu.rustflags"
    ),
    '[source.a]\nregistry = "https://u:p@host"\n[source.crates-io]\nreplace-with = "a"': (
        "source.a.registry, source.crates-io.replace-with"
    ),
}


@pytest.mark.parametrize(("settings", "names"), LEFT_OUT.items(), ids=LEFT_OUT.values())
def test_cargo_settings_that_are_not_known_to_be_harmless_are_left_out_and_named(
    settings: str, names: str, tmp_path: Path, shared: Path, stop: Stop
) -> None:
    (shared / "config.toml").write_text(f"{settings}\n[net]\nretry = 5\n")
    notes = own_cargo_home(shared, tmp_path / "own", stop)
    assert notes == [f"of cargo's shared config.toml is left out: {names}"]
    assert tomllib.loads((tmp_path / "own/config.toml").read_text()) == {"net": {"retry": 5}}
    assert not list((tmp_path / "own").glob("credentials*"))


HARMLESS = r"""
[source.crates-io]
replace-with = "mirror"
[source.mirror]
registry = "sparse+https://mirror.test/index/"
[http]
check-revoke = false
cainfo = 'C:\certificates "of ours"'
[target.'cfg(target_os = "linux")']
rustflags = ["-C", "link-arg=-fuse-ld=mold"]
"""


def test_harmless_cargo_settings_are_taken_over(tmp_path: Path, shared: Path, stop: Stop) -> None:
    (shared / "config.toml").write_text(HARMLESS)
    assert own_cargo_home(shared, tmp_path / "own", stop) == []
    assert tomllib.loads((tmp_path / "own/config.toml").read_text()) == tomllib.loads(HARMLESS)


def test_cargo_settings_that_cannot_be_read_are_left_out(tmp_path: Path, shared: Path, stop: Stop) -> None:
    (shared / "config.toml").write_text("unreadable =")
    assert own_cargo_home(shared, tmp_path / "own", stop) == [
        "cargo's shared config.toml is left out: it cannot be read"
    ]


def test_only_public_registries_and_those_that_the_operator_names_are_shown(
    tmp_path: Path, shared: Path, stop: Stop
) -> None:
    public = {PUBLIC, "github.com-1ecc6299db9ec823"}
    own = {"own.test-0123456789abcdef", "github.com-0123456789abcdef", f"{PUBLIC}.test-0123456789abcdef"}
    for folder in (*public, *own):
        for file in (f"cache/{folder}/a.crate", f"src/{folder}/a-1.0.0/.cargo-ok", f"index/{folder}/config.json"):
            (shared / "registry" / file).parent.mkdir(parents=True)
            (shared / "registry" / file).touch()
    own_cargo_home(shared, tmp_path / "plain", stop)
    own_cargo_home(shared, tmp_path / "told", stop, registries=("own.test",))
    for kind in ("cache", "src", "index"):
        assert {path.name for path in (tmp_path / "plain/registry" / kind).iterdir()} == public
        assert {path.name for path in (tmp_path / "told/registry" / kind).iterdir()} == {
            *public,
            "own.test-0123456789abcdef",
        }


def test_half_unpacked_crates_are_not_shared(tmp_path: Path, shared: Path, stop: Stop) -> None:
    for name in ("whole-1.0.0/.cargo-ok", "half-1.0.0/Cargo.toml"):
        path = shared / "registry/src" / PUBLIC / name
        path.parent.mkdir(parents=True)
        path.touch()
    own_cargo_home(shared, tmp_path / "own", stop)
    assert [path.name for path in (tmp_path / "own/registry/src" / PUBLIC).iterdir()] == ["whole-1.0.0"]


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
