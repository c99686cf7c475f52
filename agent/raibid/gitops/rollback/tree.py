"""The files of one commit, without checking it out.

Owns: paths with their modes and contents' ids; the text of one, and its documents, within bounds.
Leaves to others: which of them matter (`closure.py`), the repository (`raibid.gitops.change.checkout`), reading YAML
(`raibid.gitops.files.nodes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from raibid.git.cli import Ended, failure
from raibid.gitops.files.nodes import SyntaxFault, data, parse

_LARGEST: Final = 16 * 1024 * 1024
"""Bytes of a file that is looked into; `raibid.gitops.files` has the same bound."""
_PARSED: Final = 1024 * 1024
"""Characters of YAML: the worst ones take 17 s per million, and a usual CustomResourceDefinition has 100,000."""
_SUBMODULE: Final = "160000"


class Repository(Protocol):
    """As much of a checkout as reading needs."""

    def git(self, *arguments: str, lines: str = "") -> str:
        """What git prints. Raises GitError."""

    def attempt(self, *arguments: str, lines: str = "") -> Ended:
        """How git ended. Raises GitError."""


@dataclass(frozen=True)
class Tree:
    """A commit's files."""

    repository: Repository
    commit: str
    files: Mapping[str, tuple[str, str]]
    """Path → mode and id of the content."""
    _directories: frozenset[str] = field(repr=False)
    _large: frozenset[str] = field(repr=False)

    @classmethod
    def of(cls, repository: Repository, commit: str) -> Tree:
        """The tree of a commit. Raises GitError."""
        files, large = {}, set()
        listed = repository.git("ls-tree", "-r", "-z", "--long", "--full-tree", "--end-of-options", commit)
        for line in listed.split("\0"):
            about, tab, path = line.partition("\t")
            if tab:
                mode, _type, content, size = about.split()
                files[path] = (mode, content)
                if size.isdecimal() and int(size) > _LARGEST:
                    large.add(path)
        directories = frozenset(parent for path in files for parent in parents(path))
        return cls(repository, commit, files, directories, frozenset(large))

    def text(self, path: str) -> str:
        """What a file says; empty for none, and for one that is too large."""
        if path not in self.files or self.files[path][0] == _SUBMODULE or self.is_large(path):
            return ""
        return self.repository.git("cat-file", "blob", self.files[path][1])

    def holding(self, words: Iterable[str]) -> frozenset[str]:
        """The files that hold one of these words: a process for all of them, where `text` takes one for each."""
        patterns = [part for word in words for part in ("-e", word)]
        how = ("-z", "--name-only", "--text", "--fixed-strings", "--no-textconv", "--no-color", "--full-name")
        ended = self.repository.attempt("grep", *how, *patterns, self.commit, "--") if patterns else Ended(1, "", "")
        if ended.code > 1:
            raise failure("grep", ended)
        return frozenset(found.removeprefix(f"{self.commit}:") for found in ended.out.split("\0") if found)

    def is_large(self, path: str) -> bool:
        """Whether a file is too large to be looked into."""
        return path in self._large

    def is_directory(self, path: str) -> bool:
        """Whether there are files below it; the empty path is the root."""
        return not path or path in self._directories

    def below(self, directory: str) -> list[str]:
        """Every file below a directory."""
        return [path for path in self.files if not directory or path.startswith(f"{directory}/")]

    def only(self, paths: Iterable[str]) -> dict[str, tuple[str, str]]:
        """What there is of these paths."""
        return {path: self.files[path] for path in paths if path in self.files}

    def differs(self, other: Tree, paths: Iterable[str]) -> frozenset[str]:
        """Those of these paths that are not the same in both."""
        return frozenset(path for path in paths if self.files.get(path) != other.files.get(path))


def documents(text: str) -> list[Any] | None:
    """The documents of a YAML file; None: it is no YAML that a manifest could be, and may be the very thing that is
    wrong."""
    if len(text) > _PARSED:
        return None
    try:
        return [data(node) for node in parse(text)]
    except SyntaxFault:
        return None


def parents(path: str) -> list[str]:
    """The directories that a path is in."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
