"""The files of a checked-out repository, with our changes on top: contained, cut into documents, put together again.

Owns: reading below the root and nowhere else, `---`, List kinds, what became of each file.
Leaves to others: which document is meant (`layers.py`), the change of one (`splices.py`), writing (`change.checkout`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from raibid.gitops.errors import NoFileError, NotAllowedError, NotEditableError, SealedError
from raibid.gitops.files import sealed
from raibid.gitops.files.nodes import data, parse
from raibid.gitops.objects import Ref

_MARKER: Final = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_LARGEST: Final = 16 * 1024 * 1024
MANIFESTS: Final = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Edit:
    """What becomes of a repository's files."""

    files: Mapping[str, bytes | None]
    """Path below the root → its new bytes; None: it is deleted. Empty: all is as wished already."""
    notes: tuple[str, ...] = ()
    """What was set where, and why there."""
    secret: bool = False
    """A Secret's value is among what was written: no message states it."""
    clear: frozenset[str] = frozenset()
    """The files in which such a value stands unencrypted: no diff shows it."""
    through: tuple[Ref, ...] = ()
    """ConfigMaps and Secrets whose variables were set: who applies those applies the change, too."""


@dataclass(frozen=True)
class Document:
    """One object of a file."""

    file: str
    index: int
    """Among the file's documents that hold something."""
    start: int
    end: int
    """Characters of the document in the file."""
    inside: tuple[str | int, ...]
    """Empty, or `items`, position: an object of a List."""
    manifest: Mapping[str, Any] = field(compare=False)


@dataclass(frozen=True)
class Piece:
    """A document of a text: which one, its characters, its data."""

    index: int
    begin: int
    """Where the line of its `---` is, if it has one."""
    start: int
    end: int
    value: Any = field(compare=False)


class Draft:
    """A repository's files as they will be. Paths are relative to the root, with slashes."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._changed: dict[str, str | None] = {}
        self._texts: dict[str, str] = {}
        self._secret = False
        self._clear: set[str] = set()
        self._through: dict[Ref, None] = {}
        self._found: dict[tuple[str, str], tuple[str, list[Document]]] = {}

    def path(self, *parts: str) -> str:
        """A path below the root, links followed.

        Raises:
            NotAllowedError: it leads out of the repository.
        """
        joined = os.path.normpath(os.path.join("/", *parts)) if not _climbs(parts) else ".."  # noqa: PTH118
        place = (self._root / joined.lstrip("/")).resolve() if joined != ".." else self._root.parent
        if not place.is_relative_to(self._root) or ".git" in place.relative_to(self._root).parts:
            raise NotAllowedError(f"{'/'.join(parts)} leads out of the repository")
        return "" if place == self._root else place.relative_to(self._root).as_posix()

    def is_file(self, path: str) -> bool:
        """Whether there is a file, or will be."""
        return self._changed[path] is not None if path in self._changed else (self._root / path).is_file()

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory."""
        return (self._root / path).is_dir()

    def is_link(self, path: str) -> bool:
        """Whether it is a symbolic link."""
        return (self._root / path).is_symlink()

    def listed(self, directory: str) -> list[str]:
        """Names in a directory, sorted; what we add is among them."""
        there = {item.name for item in (self._root / directory).iterdir()} if self.is_directory(directory) else set()
        added = {Path(path).name for path in self._changed if str(Path(path).parent) in (directory, f"./{directory}")}
        names = (name for name in there | added if name != ".git")
        return sorted(n for n in names if self.is_file(_under(directory, n)) or self.is_directory(_under(directory, n)))

    def text(self, path: str) -> str:
        """A file's text.

        Raises:
            NoFileError: there is none, it is too large, or no text.
        """
        if path in self._changed:
            changed = self._changed[path]
            if changed is None:
                raise NoFileError(f"{path} is deleted by this change")
            return changed
        if path not in self._texts:
            self.path(path)
            self._texts[path] = _read(self._root / path, path)
        return self._texts[path]

    def is_text(self, path: str) -> bool:
        """Whether a file can be read."""
        try:
            self.text(path)
        except (NoFileError, NotAllowedError):
            return False
        return True

    def write(self, path: str, text: str | None) -> None:
        """Give a file another text; None deletes it.

        Raises:
            SealedError: the file is encrypted: whatever is written here would stand in it in clear.
        """
        if text is not None and self.is_sealed(path):
            raise SealedError(f"{path} is encrypted; it is not changed that way here", "`sops edit` does")
        self._changed[path] = text

    def is_sealed(self, path: str) -> bool:
        """Whether there is a file that SOPS has encrypted."""
        return self.is_file(path) and sealed.is_sealed(self.text(path))

    def seal(self, path: str, steps: Sequence[str | int], value: Any) -> None:
        """Set a value of an encrypted file. Raises SealedError."""
        self._changed[path] = sealed.with_value(self.text(path), steps, value, path)

    def replace_sealed(self, path: str, text: str) -> None:
        """Give an encrypted file another text that is encrypted, too."""
        self._changed[path] = text

    def hold_secret(self, path: str, *, sealed: bool) -> None:
        """Note that a Secret's value was written into a file."""
        self._secret = True
        self._clear |= set() if sealed else {path}

    def go_through(self, source: Ref) -> None:
        """Note that a variable of this object was set."""
        self._through.setdefault(source)

    def documents(self, path: str, *, kind: str = "") -> list[Document]:
        """A file's objects; `kind`: those that may be of it.

        Raises:
            NoFileError: it cannot be read, or is no YAML.
        """
        text = self.text(path)
        seen, found = self._found.get((path, kind), ("", []))
        # An edit walks the repository twice, to prove what it did: most files are the same then.
        if not found or seen is not text:
            try:
                found = [item for piece in cut(text, kind) for item in _objects(path, piece)]
            except ValueError as error:
                raise NoFileError(f"{path}: {error}") from None
            self._found[path, kind] = text, found
        return list(found)

    def body(self, document: Document) -> str:
        """The characters of a document, as `splices` takes them."""
        return self.text(document.file)[document.start : document.end]

    def put(self, document: Document, body: str) -> None:
        """Give a document other characters; its own spans, and those of the file's later ones, are stale after it."""
        text = self.text(document.file)
        self.write(document.file, text[: document.start] + body + text[document.end :])

    def edit(self, *notes: str) -> Edit:
        """What differs from the repository."""
        files: dict[str, bytes | None] = {}
        for path, text in sorted(self._changed.items()):
            before = self._texts.get(path) if (self._root / path).is_file() else None
            if text != before or (before is None and (self._root / path).is_file()):
                files[path] = None if text is None else text.encode()
        return Edit(files, tuple(notes), self._secret, frozenset(self._clear), tuple(self._through))


def _read(file: Path, path: str) -> str:
    try:
        if file.stat().st_size > _LARGEST:
            raise NoFileError(f"{path} is larger than {_LARGEST // 1024 // 1024} MiB")
        return file.read_bytes().decode()
    except OSError as error:
        raise NoFileError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise NoFileError(f"{path} is no UTF-8 text") from None


def _climbs(parts: tuple[str, ...]) -> bool:
    """Whether `..` leads above the root on the way."""
    depth = 0
    for part in "/".join(parts).split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return True
    return False


def _under(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def cut(text: str, kind: str = "") -> list[Piece]:
    """The documents of a text that hold something; `kind`: only those that may hold an object of it.

    Raises:
        ValueError: one of them is no YAML.
    """
    found, index = list[Piece](), 0
    cuts = [0, *(match.start() for match in _MARKER.finditer(text)), len(text)]
    for begin, end in pairwise(cuts):
        segment = text[begin:end]
        start = begin + _head(segment)
        lines = (line.strip() for line in text[start:end].splitlines())
        holds = any(line and not line.startswith(("#", "%", "...")) for line in lines)
        # A look before the parse: CRDs of ten thousand lines take it seconds, and are not what is looked for.
        if not holds or (kind and not re.search(rf"\bkind[\"']?\s*:\s*[\"']?{re.escape(kind)}\b", segment)):
            index += holds
            continue
        nodes = parse(text[start:end])
        if len(nodes) > 1:
            raise ValueError("two documents without --- between them")
        for node in nodes:
            found.append(Piece(index, begin, start, end, data(node)))
            index += 1
    return found


def _head(segment: str) -> int:
    """Length of the marker's line where it holds no value of its own, or of a byte order mark."""
    first, _, _ = segment.partition("\n")
    if first.startswith("---") and first[3:].strip()[:1] in ("", "#"):
        return min(len(first) + 1, len(segment))
    return segment.startswith("\ufeff")


def _objects(path: str, piece: Piece) -> list[Document]:
    value = piece.value
    if not isinstance(value, dict):
        return []
    items = value.get("items")
    if str(value.get("kind", "")).endswith("List") and isinstance(items, list):
        return [
            Document(path, piece.index, piece.start, piece.end, ("items", number), item)
            for number, item in enumerate(items)
            if isinstance(item, dict)
        ]
    return [Document(path, piece.index, piece.start, piece.end, (), value)]


def one_document(draft: Draft, path: str) -> Document:
    """The only object of a file such as kustomization.yaml.

    Raises:
        NotEditableError: there are several, or none.
    """
    found = draft.documents(path)
    if len(found) != 1:
        raise NotEditableError(f"{path} holds {len(found)} objects where one is expected")
    return found[0]
