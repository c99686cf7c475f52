"""Names of the trailers that our commits carry.

Owns: the names, which history, rollback and people read in `git log`.
Leaves to others: writing and reading them (`message.py`), what they mean to whom.
"""

from __future__ import annotations

from typing import Final

OBJECT: Final = "Raibid-Object"
"""The live object that somebody asked to change, as `Kind/namespace/name`; one line each."""
BY: Final = "Raibid-By"
"""Who asked: a person's login and host, or a program."""
REASON: Final = "Raibid-Reason"
ROLLBACK: Final = "Flux-Rollback"
"""The applier on whose behalf a commit takes others back, as `namespace/name`: such a commit is never taken back."""
REVERTS: Final = "Reverts"
"""A commit that is taken back; one line each."""
KNOWN_GOOD: Final = "Known-Good"
"""The commit at which all was well."""

NAMES: Final = (OBJECT, BY, REASON, ROLLBACK, REVERTS, KNOWN_GOOD)
