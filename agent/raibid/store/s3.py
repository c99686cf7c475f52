"""The store as a bucket of S3 or anything that speaks it (MinIO, Garage).

Owns: boto3 calls and the translation of their errors.
Leaves to others: credentials (boto3 finds them in the environment, its files, or the pod's role), lifecycle rules.
Imported only when an `s3:` URL is opened: boto3 alone takes 243 ms to import (spec/runtime.md 3.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, cast

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from raibid.store.base import NotInStoreError, StoreError, checked

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ABSENT: Final = frozenset({"NoSuchKey", "404", "NotFound"})


class S3Store:
    """Objects below `prefix` in a bucket."""

    def __init__(self, client: S3Client, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @classmethod
    def connect(
        cls, bucket: str, prefix: str = "", *, endpoint: str | None = None, region: str | None = None
    ) -> S3Store:
        """A store on a bucket; opens no connection yet."""
        config = Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 4},
            signature_version="s3v4",
        )
        return cls(boto3.client("s3", endpoint_url=endpoint, region_name=region, config=config), bucket, prefix)

    def put(self, key: str, content: BinaryIO) -> None:
        """Upload; boto3 sends anything over 8 MiB in parts, so that a large artifact is never whole in memory."""
        with _translated(key):
            self._client.upload_fileobj(content, self._bucket, self._prefix + checked(key))

    def get(self, key: str) -> BinaryIO:
        """The response's body; reading it streams."""
        with _translated(key):
            body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + checked(key))["Body"]
        return cast(BinaryIO, _Body(key, body))

    def list(self, prefix: str) -> Iterator[str]:
        """Keys by pages of 1,000."""
        with _translated(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            for page in pages:
                for entry in page.get("Contents", []):
                    yield entry["Key"][len(self._prefix) :]

    def presign(self, key: str, seconds: int) -> str:
        """A presigned GET."""
        with _translated(key):
            return self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self._bucket, "Key": self._prefix + checked(key)}, ExpiresIn=seconds
            )


class _Readable(Protocol):
    def read(self, amt: int | None = ...) -> bytes: ...
    def close(self) -> None: ...


class _Body:
    """An object's bytes as they arrive; botocore's errors end here."""

    def __init__(self, key: str, body: _Readable) -> None:
        self._key = key
        self._body = body

    def read(self, size: int = -1, /) -> bytes:
        with _translated(self._key):
            return self._body.read(None if size < 0 else size)

    def close(self) -> None:
        self._body.close()

    def __enter__(self) -> _Body:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _ABSENT:
            raise NotInStoreError(f"nothing is stored under {key}") from error
        raise StoreError(f"S3: {key}: {error}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StoreError(f"S3: {key}: {error}") from error
