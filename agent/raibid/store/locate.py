"""A store from its URL.

Owns: the two URL forms and the sentences for wrong ones.
Leaves to others: what a store does.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from raibid.store.base import Store, StoreError
from raibid.store.filesystem import FileStore


def open_store(url: str) -> Store:
    """`file:///dir`, or `s3://bucket/prefix?endpoint=https://host&region=name` (both parameters optional).

    Raises:
        StoreError: the URL is none of these, or carries credentials; the directory cannot be read.
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise StoreError("a store's URL carries no credentials: give them to boto3 by environment or file")
    match parts.scheme:
        case "file":
            if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
                raise StoreError(f"{url!r}: a file store needs an absolute path: file:///var/lib/raibid")
            store = FileStore(Path(unquote(parts.path)))
            store.sweep()
            return store
        case "s3":
            return _open_s3(parts.netloc, parts.path, parse_qs(parts.query))
        case _:
            raise StoreError(f"{url!r} is no store: use file:///directory or s3://bucket/prefix")


def _open_s3(bucket: str, prefix: str, parameters: dict[str, list[str]]) -> Store:
    if not bucket:
        raise StoreError("an S3 store needs a bucket: s3://bucket/prefix")
    if unknown := sorted(parameters.keys() - {"endpoint", "region"}):
        raise StoreError(f"s3://{bucket}: unknown parameter {', '.join(unknown)}; known are endpoint and region")
    try:
        from raibid.store.s3 import S3Store
    except ModuleNotFoundError as error:
        raise StoreError("S3 needs boto3, which is not installed: install raibid[api], or use file:///…") from error
    first = {name: values[-1] for name, values in parameters.items()}
    return S3Store.connect(bucket, prefix, endpoint=first.get("endpoint"), region=first.get("region"))
