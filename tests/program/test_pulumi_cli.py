"""Fetching the Pulumi CLI: from a real HTTP server, verified, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest

from components.__main__ import run
from components.commands import preview
from components.engine.pulumi_cli import ChecksumError, DownloadError, archive_name, install, published_checksum
from components.settings import load_stack
from components.versions import PULUMI

SCRIPT = rb"""#!/bin/sh
if [ "$1 $2" = "plugin install" ]; then
    plugin="$PULUMI_HOME/plugins/resource-$4-v$5"
    /bin/mkdir -p "$plugin" && : >"$plugin/pulumi-resource-$4"
fi
echo "pulumi $*"
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class' name)
        pass


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The directory of one published release."""
    directory = tmp_path / "releases" / PULUMI.version
    directory.mkdir(parents=True)
    with tarfile.open(directory / archive_name(), "w:gz") as archive:
        entry = tarfile.TarInfo("pulumi/pulumi")
        entry.size, entry.mode = len(SCRIPT), 0o755
        archive.addfile(entry, io.BytesIO(SCRIPT))
    digest = hashlib.sha512((directory / archive_name()).read_bytes()).hexdigest()
    (directory / "SHA512SUMS").write_text(f"{'0' * 128}  pulumi-other.tar.gz\n{digest}  {archive_name()}\n")
    return directory


@pytest.fixture
def source(release: Path) -> Iterator[str]:
    """Where it is published."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(release.parent)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def silent(done: int, total: int) -> None:
    """Progress that nobody looks at."""


def test_the_published_release_is_unpacked_and_progress_is_told(source: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    program = install(tmp_path / "cache" / "pulumi", lambda done, total: seen.append((done, total)), source)
    assert program.read_bytes() == SCRIPT
    assert program.stat().st_mode & 0o100
    assert seen
    assert seen[-1][0] == seen[-1][1]


def test_what_is_there_is_not_fetched_again(source: str, tmp_path: Path) -> None:
    first = install(tmp_path / "cache" / "pulumi", silent, source)
    assert install(tmp_path / "cache" / "pulumi", silent, "http://127.0.0.1:1") == first


def test_a_changed_archive_is_refused_and_nothing_of_it_is_kept(source: str, release: Path, tmp_path: Path) -> None:
    (release / archive_name()).write_bytes(b"something else")
    with pytest.raises(ChecksumError, match="nothing was kept") as refused:
        install(tmp_path / "cache" / "pulumi", silent, source)
    assert "somebody between you and the publisher" in refused.value.hint
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_archive_that_would_leave_its_directory_is_refused(source: str, release: Path, tmp_path: Path) -> None:
    with tarfile.open(release / archive_name(), "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../../outside"))
    digest = hashlib.sha512((release / archive_name()).read_bytes()).hexdigest()
    (release / "SHA512SUMS").write_text(f"{digest}  {archive_name()}\n")
    with pytest.raises(DownloadError):
        install(tmp_path / "cache" / "pulumi", silent, source)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_release_without_our_file_is_a_sentence(source: str, release: Path, tmp_path: Path) -> None:
    (release / "SHA512SUMS").write_text("")
    with pytest.raises(DownloadError, match="not in the release's SHA512SUMS"):
        install(tmp_path / "cache" / "pulumi", silent, source)


def test_no_network_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="cannot be reached"):
        install(tmp_path / "cache" / "pulumi", silent, "http://127.0.0.1:1")


def test_a_machine_without_a_release_is_a_sentence() -> None:
    with pytest.raises(DownloadError, match="riscv64"):
        archive_name("riscv64")


@pytest.mark.parametrize("line", ["{d}  ./{n}", "{d} *{n}", "{d}  {n}"])
def test_checksum_files_of_every_spelling_are_read(line: str) -> None:
    assert published_checksum(line.format(d="ab" * 64, n="x.tar.gz"), "x.tar.gz") == "ab" * 64


def test_without_cli_and_network_the_preview_falls_back_to_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert preview.preview(stack="local", offline=True) == 0
    told = capsys.readouterr()
    assert "falling back to `plan`" in told.err
    assert "raibid:components:FluxRepo" in told.out


@pytest.mark.parametrize("stack", ["local", "dgx-spark"])
def test_the_ladder_ends_at_a_preview_by_the_fetched_cli_with_the_stacks_plugins(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], stack: str
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(str(shutil.which("git")))
    for name, value in {
        "PATH": "bin",
        "XDG_CACHE_HOME": "cache",
        "XDG_STATE_HOME": "state",
        "PULUMI_HOME": "home",
    }.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.setattr(preview, "install", partial(install, source=source))
    assert preview.preview(stack=stack) == 0
    assert f"pulumi preview --stack {stack}" in capfd.readouterr().out
    fetched = {file.name for file in (tmp_path / "home/plugins").glob("*/pulumi-resource-*")}
    assert fetched == {f"pulumi-resource-{name}" for name in preview.NEEDS[load_stack(stack).cluster.kind]}


def test_without_the_network_the_missing_plugins_commands_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_bytes(SCRIPT)
    program.chmod(0o755)
    (tmp_path / "bin/git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("XDG_STATE_HOME", "PULUMI_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "place"))
    assert preview.preview(stack="dgx-spark", offline=True) == 0
    told = capsys.readouterr().err
    assert f"pulumi plugin install resource kubernetes {preview.PLUGINS['kubernetes'].version}" in told
    assert "falling back to `plan`" in told


@pytest.mark.parametrize("name", preview.PLUGINS)
def test_a_plugin_that_is_fetched_is_the_one_of_the_locked_sdk(name: str) -> None:
    assert preview.PLUGINS[name].version == version(f"pulumi-{name}")


def test_a_failed_preview_gives_advice_that_preview_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("pulumi", "pulumi-resource-command"):
        (tmp_path / name).write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "git").symlink_to(str(shutil.which("git")))
    for name, value in {"PATH": tmp_path, "XDG_STATE_HOME": tmp_path / "state"}.items():
        monkeypatch.setenv(name, str(value))
    assert run(["preview", "--stack", "local"]) == 1
    told = capsys.readouterr().err
    assert "broken" in told
    assert "python -m components plan --stack local" in told
    assert "--no-engine" not in told, "an option that `preview` does not have"
