"""A job's directory: nobody else's, gone afterwards, and what a full disk looks like."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from raibid.worker.config import AgentConfig
from raibid.worker.errors import InfrastructureError
from raibid.worker.workspace import FULL_BELOW, TIGHT_BELOW, Room, is_full, room_left, workspace


def test_a_workspace_with_read_only_directories_is_removed(tmp_path: Path) -> None:
    with workspace(tmp_path, "job") as room:
        (room.checkout / "locked" / "inner").mkdir(parents=True)
        (room.checkout / "locked" / "inner" / "file").write_text("x")
        (room.checkout / "locked" / "inner").chmod(0)
        (room.checkout / "locked").chmod(0o500)
    assert not room.root.exists()


def test_a_workspace_that_cannot_be_made_is_infrastructure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError), workspace(tmp_path / "file", "job"):
        pass


def test_agents_that_come_and_go_do_not_disturb_each_other(tmp_path: Path) -> None:
    def come_and_go(agent: int) -> None:
        for number in range(40):
            with workspace(tmp_path, f"{agent}-{number}") as room:
                (room.checkout / "file").write_text("x")
                assert room.home.is_dir()

    with ThreadPoolExecutor(8) as agents:
        list(agents.map(come_and_go, range(8)))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_vanishes_while_it_is_looked_at_is_not_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving = tmp_path / "raibid-leaving"
    leaving.mkdir()
    real = os.open

    def leave_first(path: Path, *args: Any, **options: Any) -> int:
        if path == leaving:
            leaving.rmdir()
        return real(path, *args, **options)

    monkeypatch.setattr(os, "open", leave_first)
    with workspace(tmp_path, "job") as room:
        assert room.checkout.is_dir()


def test_what_a_killed_agent_left_is_removed_by_the_next(tmp_path: Path) -> None:
    code = f"""
import os, pathlib
from raibid.worker.workspace import workspace
with workspace(pathlib.Path({str(tmp_path)!r}), "killed"):
    os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with workspace(tmp_path, "next") as room:
        assert list(tmp_path.iterdir()) == [room.root]


def test_what_is_in_use_or_no_agents_directory_is_left_alone(tmp_path: Path) -> None:
    used, elsewhere = tmp_path / "raibid-used", tmp_path / "elsewhere"
    used.mkdir()
    elsewhere.mkdir()
    (tmp_path / "raibid-link").symlink_to(elsewhere)
    (tmp_path / "raibid-file").touch()
    descriptor = os.open(used, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    before = set(tmp_path.iterdir())
    with workspace(tmp_path, "job"):
        pass
    os.close(descriptor)
    assert set(tmp_path.iterdir()) == before


def test_the_default_workspace_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    parent = AgentConfig.from_env({}).workspace
    assert parent == tmp_path / f"raibid-{os.getuid()}"
    with workspace(parent, "job"):
        assert parent.stat().st_mode & 0o777 == 0o700


def test_a_workspace_that_somebody_else_laid_out_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(InfrastructureError, match="RAIBID_WORKSPACE"), workspace(tmp_path / "link", "job"):
        pass
    foreign = Path(tmp_path / "mine")
    owner = foreign.stat().st_uid or 1000
    os.chown(foreign, owner, -1)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(InfrastructureError, match="RAIBID_WORKSPACE"), workspace(foreign, "job"):
        pass
    assert list(foreign.iterdir()) == []


SAID = b"ld: final link failed: No space left on device\n"


@pytest.mark.parametrize(
    ("room", "last_words", "full"),
    [
        (Room(FULL_BELOW - 1), b"", True),
        (Room(FULL_BELOW), b"", False),
        (Room(TIGHT_BELOW - 1), SAID, True),
        (Room(TIGHT_BELOW - 1), b"error[E0308]: mismatched types\n", False),
        (Room(TIGHT_BELOW), SAID, False),
        (Room(TIGHT_BELOW, more_files=False), SAID, True),
        (Room(TIGHT_BELOW, more_files=False), b"", False),
        (Room(TIGHT_BELOW - 1), b"cp: Disk quota exceeded\n", True),
    ],
    ids=[
        "nothing-left", "just-enough", "tight-and-said", "tight-and-another-fault", "only-said",
        "no-inode-and-said", "no-inode-and-another-fault", "quota",
    ],
)  # fmt: skip
def test_a_step_failed_for_want_of_room(room: Room, last_words: bytes, full: bool) -> None:
    assert is_full(room, last_words) is full


def test_the_room_is_that_of_the_file_system(tmp_path: Path) -> None:
    assert room_left(tmp_path).free > 0
    assert room_left(tmp_path).more_files
    assert room_left(Path("/proc")).free == 0
