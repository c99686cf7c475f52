"""Where things outlive Redis: log archive, job records, artifacts; a directory or an S3 bucket.

Owns: the four-method `Store`, its filesystem and S3 forms, `open_store(url)`.
Leaves to others: what keys mean (`raibid.api.archive`, `raibid.worker`), how long to keep them (bucket lifecycle).
"""

from raibid.store.base import InvalidKeyError, NotInStoreError, Store, StoreError
from raibid.store.filesystem import FileStore
from raibid.store.locate import open_store
from raibid.store.nowhere import NowhereStore

__all__ = ["FileStore", "InvalidKeyError", "NotInStoreError", "NowhereStore", "Store", "StoreError", "open_store"]
