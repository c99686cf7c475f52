"""What both stores promise, and what only one of them has."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from raibid.store import FileStore, InvalidKeyError, NotInStoreError, Store, StoreError, open_store
from raibid.store.s3 import S3Store


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="pool")
        yield "pool"


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "file":
        return open_store(f"file://{tmp_path}/archive")
    return open_store(f"s3://{request.getfixturevalue('bucket')}/archive")


def put(store: Store, key: str, content: bytes = b"x") -> None:
    store.put(key, io.BytesIO(content))


def test_what_was_put_is_what_one_gets(store: Store) -> None:
    content = bytes(range(256)) * 40_000  # 10 MB: more than one part of an S3 upload
    put(store, "a/b.bin", content)
    with store.get("a/b.bin") as stream:
        assert stream.read(3) == b"\x00\x01\x02"
        assert stream.read() == content[3:]


def test_a_second_put_replaces_the_first(store: Store) -> None:
    put(store, "k", b"old and longer")
    put(store, "k", b"new")
    with store.get("k") as stream:
        assert stream.read() == b"new"


def test_a_missing_key_says_so(store: Store) -> None:
    put(store, "jobs/x.log")
    for key in ("nothing", "jobs", "jobs/x.log/y"):
        with pytest.raises(NotInStoreError, match=key):
            store.get(key)


def test_keys_are_listed_in_byte_order_by_prefix(store: Store) -> None:
    for key in ("jobs/b/1", "jobs/a/2", "jobs/a.log", "jobs/a/1", "other", "jobsx"):
        put(store, key)
    assert list(store.list("jobs/")) == ["jobs/a.log", "jobs/a/1", "jobs/a/2", "jobs/b/1"]
    assert list(store.list("jobs/a")) == ["jobs/a.log", "jobs/a/1", "jobs/a/2"]
    assert list(store.list("")) == ["jobs/a.log", "jobs/a/1", "jobs/a/2", "jobs/b/1", "jobsx", "other"]
    assert list(store.list("none/")) == []


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a\\b", "a\0b", "a\nb", "é" * 600]
)
def test_a_key_cannot_leave_the_store(store: Store, key: str) -> None:
    for use in (lambda: put(store, key), lambda: store.get(key), lambda: store.presign(key, 60)):
        with pytest.raises(InvalidKeyError):
            use()


def test_presigned_url_names_the_object(store: Store) -> None:
    put(store, "a/b c.txt")
    assert "a/b%20c.txt" in store.presign("a/b c.txt", 60)


def test_s3_presigned_url_expires(bucket: str) -> None:
    url = S3Store.connect(bucket, region="us-east-1").presign("k", 60)
    assert "X-Amz-Expires=60" in url
    assert "X-Amz-Signature=" in url


def test_s3_keeps_to_its_prefix(bucket: str) -> None:
    put(open_store(f"s3://{bucket}/one"), "k")
    assert list(open_store(f"s3://{bucket}/other").list("")) == []
    assert [e["Key"] for e in boto3.client("s3").list_objects_v2(Bucket=bucket)["Contents"]] == ["one/k"]


def test_s3_errors_are_store_errors(bucket: str) -> None:
    absent = S3Store.connect("no-such-bucket", region="us-east-1")
    for use in (lambda: put(absent, "k"), lambda: absent.get("k"), lambda: list(absent.list(""))):
        with pytest.raises(StoreError, match="S3"):
            use()


class Breaks(io.RawIOBase):
    """A stream that fails after its first bytes."""

    def __init__(self) -> None:
        self.first = True

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self.first:
            self.first = False
            return b"half"
        raise OSError(5, "Input/output error")


def test_a_failed_put_leaves_the_old_object_and_no_rubbish(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    put(store, "k", b"old")
    with pytest.raises(StoreError, match="Input/output error"):
        store.put("k", Breaks())  # type: ignore[arg-type]
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["k"]
    assert (tmp_path / "k").read_bytes() == b"old"


def test_only_what_a_killed_writer_left_is_swept_and_never_listed(tmp_path: Path) -> None:
    for key in ("k", "a/k"):
        put(FileStore(tmp_path), key)
    partials = (tmp_path / ".partial", tmp_path / "a/.partial")
    old, fresh = ([directory / name for directory in partials] for name in ("old", "fresh"))
    for path in (*old, *fresh):
        path.write_bytes(b"half")
    two_days_ago = time.time() - 2 * 24 * 3600
    for path in (*old, tmp_path / "k"):
        os.utime(path, (two_days_ago, two_days_ago))
    store = open_store(tmp_path.as_uri())
    assert list(store.list("")) == ["a/k", "k"]
    assert list(store.list("a/")) == ["a/k"]
    assert [path.exists() for path in (*old, *fresh)] == [False, False, True, True]


def test_a_process_that_may_write_below_one_name_only_can_keep_objects_there(tmp_path: Path) -> None:
    """An agent's pod mounts `artifacts` of the volume into a root file system that is read-only."""
    (tmp_path / "artifacts").mkdir()
    tmp_path.chmod(0o555)
    store = open_store(tmp_path.as_uri())
    put(store, "artifacts/j/1/a.bin")
    tmp_path.chmod(0o755)
    assert list(store.list("")) == ["artifacts/j/1/a.bin"]
    # Where tests run as root, modes bind nobody.
    assert [path.name for path in tmp_path.iterdir()] == ["artifacts"]


def test_a_put_survives_a_power_cut_with_its_name_and_its_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, synced = tmp_path / "new" / "root", []
    fsync = os.fsync

    def recorded(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        synced.append((path, (root / "a/b/k").exists()) if path.is_dir() else (path.parent, False))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", recorded)
    put(FileStore(root), "a/b/k")
    whole, then = (root / "a/.partial", False), (root / "a/b", True)
    assert synced[-2:] == [whole, then], "the bytes before the rename, the name after it"
    assert {path for path, _ in synced[:-2]} == {tmp_path, tmp_path / "new", root, root / "a"}
    synced.clear()
    put(FileStore(root), "a/b/k2")
    assert [path for path, _ in synced] == [root / "a/.partial", root / "a/b"], "directories are made safe once"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("/var/lib", "file:///directory or s3://"),
        ("file://relative/path", "absolute path"),
        ("s3://", "needs a bucket"),
        ("s3://b/p?ednpoint=x", "unknown parameter ednpoint"),
        ("s3://key:hunter2@bucket/p", "no credentials"),
        ("ftp://host/p", "file:///directory or s3://"),
    ],
)
def test_a_wrong_url_says_what_is_right(url: str, says: str) -> None:
    with pytest.raises(StoreError, match=says) as raised:
        open_store(url)
    assert "hunter2" not in str(raised.value)
