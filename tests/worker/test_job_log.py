"""The log's way to the ledger: whole, in order, in bounds, and never in the way of the build."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from raibid.contract import LOG_CHUNK_BYTES
from raibid.ledger import LedgerFullError, LedgerUnavailableError, StaleTokenError
from raibid.worker.errors import WorkspaceFullError
from raibid.worker.job_log import TAIL_BYTES, JobLog


class FakeLedger:
    """Takes chunks, or raises what `trouble` says."""

    def __init__(self) -> None:
        self.chunks: list[tuple[str, bytes]] = []
        self.trouble: Callable[[], None] = lambda: None
        self.refused = threading.Event()

    def append(self, data: bytes, *, step: str, cap: int) -> bool:
        try:
            self.trouble()
        except Exception:
            self.refused.set()
            raise
        if sum(len(d) for _, d in self.chunks) + len(data) > cap:
            return False
        self.chunks.append((step, data))
        return True

    @property
    def text(self) -> bytes:
        return b"".join(data for _, data in self.chunks)


@pytest.fixture
def fake() -> FakeLedger:
    return FakeLedger()


@pytest.fixture
def log(fake: FakeLedger, tmp_path: Path) -> Iterator[JobLog]:
    log = JobLog(tmp_path / "log", fake.append)
    yield log
    log.close(0)


def unavailable() -> None:
    raise LedgerUnavailableError("gone")


def test_everything_arrives_in_order_and_by_step(fake: FakeLedger, log: JobLog) -> None:
    for step in ("one", "two"):
        log.step(step)
        for number in range(1000):
            log.write(f"{step} {number}\n".encode())
    assert log.close(10) == 0
    for step in ("one", "two"):
        said = b"".join(data for name, data in fake.chunks if name == step)
        assert said.decode().splitlines() == [f"{step} {n}" for n in range(1000)]


def test_chunks_are_bounded_and_hold_whole_characters(fake: FakeLedger, log: JobLog) -> None:
    text = "aé€😀" * 20_000
    log.write(text.encode())
    log.close(10)
    assert "".join(data.decode() for _, data in fake.chunks) == text
    assert max(len(data) for _, data in fake.chunks) <= LOG_CHUNK_BYTES


def test_a_lone_line_is_sent_without_waiting_for_more(fake: FakeLedger, log: JobLog) -> None:
    log.write(b"hello\n")
    deadline = time.monotonic() + 10
    while not fake.chunks:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert fake.text == b"hello\n"


def test_the_build_does_not_wait_for_a_ledger_that_is_away(fake: FakeLedger, log: JobLog) -> None:
    fake.trouble = unavailable
    for _ in range(1000):
        log.write(b"x" * 1000)
    assert fake.refused.wait(10)
    fake.trouble = lambda: None
    assert log.close(10) == 0
    assert len(fake.text) == 1_000_000


def test_a_ledger_that_stays_away_costs_the_rest_of_the_log(fake: FakeLedger, log: JobLog) -> None:
    fake.trouble = unavailable
    log.write(b"x" * 1000)
    assert log.close(0) == 1000


def test_a_full_ledger_costs_the_log_and_not_the_build(fake: FakeLedger, tmp_path: Path) -> None:
    def full() -> None:
        raise LedgerFullError("full")

    fake.trouble = full
    log = JobLog(tmp_path / "log", fake.append)
    log.write(b"x" * 1000)
    assert fake.refused.wait(10)
    assert log.close(0) == 1000


def test_after_a_lost_lease_nothing_more_is_sent(fake: FakeLedger, log: JobLog) -> None:
    def stale() -> None:
        raise StaleTokenError("stale")

    fake.trouble = stale
    log.write(b"one\n")
    assert fake.refused.wait(10)
    fake.trouble = lambda: None
    log.write(b"two\n")
    log.close(5)
    assert fake.chunks == []


def test_a_log_over_its_cap_keeps_its_end_and_says_what_is_missing(fake: FakeLedger, tmp_path: Path) -> None:
    log = JobLog(tmp_path / "log", fake.append, cap=1024 * 1024)
    for number in range(40_000):
        log.write(f"{number:099}\n".encode())
    lost = log.close(20)
    lines = fake.text.decode().splitlines()
    assert lines[-1] == f"{39_999:099}"
    assert f"... {lost} bytes dropped: the log is over its cap ..." in lines
    assert 40_000 * 100 - lost <= len(fake.text) <= 1024 * 1024 + TAIL_BYTES + 256
    assert (tmp_path / "log").stat().st_size <= 1024 * 1024 + TAIL_BYTES + 256


def test_a_log_a_little_over_its_cap_loses_nothing(fake: FakeLedger, tmp_path: Path) -> None:
    log = JobLog(tmp_path / "log", fake.append, cap=1024 * 1024)
    text = b"".join(b"%099d\n" % n for n in range(10_600))
    for at in range(0, len(text), 1000):
        log.write(text[at : at + 1000])
    assert log.close(20) == 0
    assert fake.text.replace(b"\n", b"") == text.replace(b"\n", b"")


def test_a_retried_job_has_room_for_its_log(fake: FakeLedger, tmp_path: Path) -> None:
    log = JobLog(tmp_path / "log", fake.append, earlier=1024, cap=1024)
    log.write(b"second attempt\n")
    assert log.close(10) == 0


def test_a_log_whose_end_finds_no_room_says_how_much_is_lost(
    fake: FakeLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = JobLog(tmp_path / "log", fake.append, cap=1024 * 1024)
    log.write(b"x" * 1024 * 1024)
    log.write(b"over the cap")
    monkeypatch.setattr(log, "_file", Path("/dev/full").open("wb", buffering=0))  # noqa: SIM115 - the log closes it
    assert log.close(20) == len(b"over the cap")
    assert fake.text == b"x" * 1024 * 1024


def test_a_full_disk_is_the_workspaces_fault(fake: FakeLedger) -> None:
    log = JobLog(Path("/dev/full"), fake.append)
    with pytest.raises(WorkspaceFullError):
        log.write(b"x" * 10)
