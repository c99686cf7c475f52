"""What bounds the files a build keeps: their size, their number, the time, and whoever wants it to end."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import BinaryIO

import pytest
from raibid.store import FileStore
from raibid.worker import artifacts
from raibid.worker.artifacts import keep
from raibid.worker.stop import Stop, StopReason


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "checkout").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "checkout" / name).write_bytes(name.encode() * 3_000_000)
    return tmp_path / "checkout"


def objects(store: FileStore) -> list[Path]:
    return sorted(path for path in store.root.rglob("*") if path.is_file())


def test_the_hash_and_the_size_are_those_of_what_is_in_the_store(checkout: Path, store: FileStore, stop: Stop) -> None:
    (checkout / "empty").touch()
    kept = keep(checkout, ["*"], store.put, "x", stop)
    assert [artifact.path for artifact in kept.artifacts] == ["a", "b", "c", "empty"]
    for artifact in kept.artifacts:
        content = (store.root / artifact.key).read_bytes()
        assert (artifact.size, artifact.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_a_file_that_is_too_large_is_not_read_and_the_log_says_so(checkout: Path, store: FileStore, stop: Stop) -> None:
    with (checkout / "a").open("wb") as file:
        file.truncate(1024**4)
    kept = keep(checkout, ["*"], store.put, "x", stop)
    assert [artifact.path for artifact in kept.artifacts] == ["b", "c"]
    assert kept.notes == (
        "artifact a is not kept: too large (1048576 MiB; 1024 MiB is the most, 2048 MiB for all together)",
    )


def test_all_files_together_are_bounded(
    checkout: Path, store: FileStore, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "ALL_BYTES", 7_000_000)
    kept = keep(checkout, ["*"], store.put, "x", stop)
    assert [artifact.path for artifact in kept.artifacts] == ["a", "b"]
    assert [note.partition(" (")[0] for note in kept.notes] == ["artifact c is not kept: too large"]


def test_files_that_are_not_kept_count_as_well(
    checkout: Path, stop: Stop, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "MOST_FILES", 2)
    monkeypatch.setattr(artifacts, "FILE_BYTES", 1)
    kept = keep(checkout, ["*"], store.put, "x", stop)
    assert len(kept.notes) == 3
    assert kept.notes[-1] == "more than 2 artifacts: the rest is not kept"


@pytest.mark.parametrize("reason", StopReason)
def test_whoever_wants_the_build_to_end_ends_it_in_the_middle_of_a_file(
    reason: StopReason, checkout: Path, store: FileStore, stop: Stop
) -> None:
    def put(key: str, content: BinaryIO) -> None:
        if key.endswith("b"):
            assert content.read(1000) == b"b" * 1000
            stop.request(reason)
        store.put(key, content)

    kept = keep(checkout, ["*"], put, "x", stop)

    assert [artifact.path for artifact in kept.artifacts] == ["a"]
    assert kept.notes == (f"artifact b and what comes after it are not kept: {reason}",)
    assert [path.name for path in objects(store)] == ["a"]


def test_no_more_is_kept_after_the_deadline(checkout: Path, store: FileStore, stop: Stop) -> None:
    kept = keep(checkout, ["*"], store.put, "x", stop, time.monotonic())
    assert kept.artifacts == ()
    assert kept.notes == ("artifact a and what comes after it are not kept: the time for it is used up",)
