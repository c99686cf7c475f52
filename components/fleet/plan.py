"""What a push changes in the Flux repository: a pure decision over what is there and what should be.

Owns: who owns a path, what counts as edited by somebody else, what is kept, written and deleted, the record of it all
(`clusters/<env>/emitted.json`).
Leaves to others: ciphertext of a Secret (`fleet.seal`), Git (`fleet.git`), the request (`fleet.request`).

A path is as it was left when its bytes are those of some environment's record: environments of one repository share
the base, and whichever runs `up` first writes it for all.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from components.fleet.errors import DivergedError, RecordError, UnsafePathError
from components.fleet.request import PushRequest, check_path
from components.fleet.seal import Refusal, Sealing, seal

_RECORD: Final = re.compile(r"clusters/([^/]+)/emitted\.json")
_REGULAR: Final = frozenset({"100644", "100755"})

Record = Mapping[str, str]
"""Path → SHA-256 of the bytes that were emitted there."""


@dataclass(frozen=True)
class Snapshot:
    """The repository now: every path with its mode, and the bytes of the files that matter here."""

    modes: Mapping[str, str] = field(default_factory=dict)
    contents: Mapping[str, bytes] = field(default_factory=dict)

    def file(self, path: str) -> bytes | None:
        """A regular file's bytes; None for nothing, and for links and submodules."""
        return self.contents.get(path) if self.modes.get(path) in _REGULAR else None


@dataclass(frozen=True)
class Plan:
    """What one commit does."""

    writes: Mapping[str, bytes]
    deletes: tuple[str, ...]
    missing: tuple[str, ...]
    notices: tuple[str, ...]


def record_path(environment: str) -> str:
    """Where an environment's list of emitted files is kept."""
    return f"clusters/{environment}/emitted.json"


def record_paths(modes: Mapping[str, str]) -> list[str]:
    """The records of all environments in a repository; a link or submodule of that name is none."""
    return [path for path, mode in modes.items() if _RECORD.fullmatch(path) and mode in _REGULAR]


def paths_of_interest(request: PushRequest, modes: Mapping[str, str], records: Mapping[str, Record]) -> list[str]:
    """Files whose bytes the plan needs."""
    mine = records.get(request.environment, {})
    wanted = {*request.files, *request.secrets, *request.unavailable, *mine, *record_paths(modes)}
    return sorted(path for path in wanted if modes.get(path) in _REGULAR)


def read_records(contents: Mapping[str, bytes]) -> dict[str, Record]:
    """Environment → what it emitted.

    Raises:
        RecordError: a record that nobody of us wrote.
    """
    records: dict[str, Record] = {}
    for path, data in contents.items():
        match = _RECORD.fullmatch(path)
        if match is None:
            continue
        try:
            files = json.loads(data)["files"]
            records[match[1]] = {check_path(name): str(digest) for name, digest in files.items()}
        except (ValueError, KeyError, TypeError, AttributeError, UnsafePathError) as error:
            raise RecordError(
                f"{path}: not the list of emitted files", f"restore it from history: git log -- {path}"
            ) from error
    return records


def plan(request: PushRequest, snapshot: Snapshot, *, now: datetime) -> Plan:
    """What must change so that the repository holds the emission, and nothing of anybody else's is touched.

    Raises:
        DivergedError: paths that somebody else made or changed; all of them, by name.
        RecordError: a record cannot be read.
        SealError: an encrypted file cannot be opened or written.
    """
    return _Planning(request, snapshot, now).plan()


class _Planning:
    """One pass over all paths; refusals are collected, so that they are told at once."""

    def __init__(self, request: PushRequest, snapshot: Snapshot, now: datetime) -> None:
        self.request = request
        self.snapshot = snapshot
        self.now = now
        records = read_records(snapshot.contents)
        self.mine: Record = records.get(request.environment, {})
        self.others = {env: record for env, record in records.items() if env != request.environment}
        self.writes: dict[str, bytes] = {}
        self.record: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.missing: list[str] = []
        self.notices: list[str] = []

    def plan(self) -> Plan:
        for path, data in self.request.files.items():
            self._settle(path, data)
        self._secrets()
        self._unavailable()
        for path, data in self.request.seeds.items():
            if path not in self.snapshot.modes:
                self.writes[path] = data
        deletes = self._deletes()
        self._blocked(deletes)
        if self.refused:
            raise DivergedError(self.refused)
        self._keep_record()
        self._tell_others()
        return Plan(dict(sorted(self.writes.items())), tuple(deletes), tuple(self.missing), tuple(self.notices))

    def _settle(self, path: str, data: bytes) -> None:
        """One path of ours, with the bytes it shall have."""
        self.record[path] = _digest(data)
        present = self.snapshot.file(path)
        if present == data:
            return
        reason = self._trespass(path, present)
        if reason and not self.request.overwrite:
            self.refused[path] = reason
        self.writes[path] = data

    def _trespass(self, path: str, present: bytes | None) -> str:
        """What somebody else did to a path; empty: it is as an emission left it."""
        if path not in self.snapshot.modes:
            return "deleted since the last emission" if path in self.mine else ""
        if present is None:
            return "replaced by a link or submodule"
        if _digest(present) in self._left(path):
            return ""
        return "edited since the last emission" if path in self.mine else "exists, and this stack did not emit it"

    def _sharers(self, path: str) -> str:
        return " and ".join(sorted(environment for environment, record in self.others.items() if path in record))

    def _left(self, path: str) -> set[str]:
        return {record[path] for record in (self.mine, *self.others.values()) if path in record}

    def _secrets(self) -> None:
        sealing = Sealing(
            recipients=self.request.recipients,
            identity=self.request.identity,
            overwrite=self.request.overwrite,
            now=self.now,
        )
        anew = 0
        for path, manifest in self.request.secrets.items():
            present = self.snapshot.file(path)
            sealed = seal(sealing, path, manifest, present, self._trespass(path, present), self._sharers(path))
            if isinstance(sealed, Refusal):
                self.refused[path] = sealed.reason
                continue
            self.record[path] = _digest(sealed)
            if sealed != present:
                self.writes[path] = sealed
                anew += present is not None and not self.request.identity
        if anew:
            self.notices.append(f"{anew} Secrets were encrypted anew: only the age key shows whether they are the same")

    def _unavailable(self) -> None:
        for path in self.request.unavailable:
            if path not in self.snapshot.modes:
                self.missing.append(path)
            elif path in self.mine:
                self.record[path] = self.mine[path]
        if self.missing:
            self.notices.append(
                f"{len(self.missing)} Secrets are missing, and Flux cannot apply what lists them: "
                "set seed and recipients (python -m components keys)"
            )

    def _deletes(self) -> list[str]:
        """Paths of an earlier emission that this one no longer has."""
        deletes = []
        asked = self.request
        for path in self.mine.keys() - {*asked.files, *asked.secrets, *asked.unavailable, *asked.seeds}:
            if path not in self.snapshot.modes or any(path in record for record in self.others.values()):
                continue
            reason = self._trespass(path, self.snapshot.file(path))
            if reason and not self.request.overwrite:
                self.refused[path] = f"{reason}, and no longer emitted"
            deletes.append(path)
        return sorted(deletes)

    def _blocked(self, deletes: list[str]) -> None:
        """A file where a directory must be, or the other way round, is never replaced: it may hold anything."""
        staying = self.snapshot.modes.keys() - set(deletes)
        directories = {parent for path in staying for parent in _parents(path)}
        for path in self.writes:
            if path in directories:
                self.refused[path] = "is a directory in the repository"
            for parent in _parents(path):
                if parent in staying:
                    self.refused[path] = f"{parent} is a file or link in the repository, not a directory"

    def _keep_record(self) -> None:
        path = record_path(self.request.environment)
        data = (json.dumps({"files": self.record}, indent=1, sort_keys=True) + "\n").encode()
        if self.snapshot.file(path) != data:
            self.writes[path] = data

    def _tell_others(self) -> None:
        for environment, record in self.others.items():
            shared = sum(1 for path in self.writes if path in record and path in self.record)
            if shared:
                self.notices.append(f"{shared} changed files are of environment {environment} too")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
