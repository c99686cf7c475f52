"""The files of one commit, without checking it out.

Owns: paths with their modes and contents' ids; the text of one.
Leaves to others: which of them matter (`closure.py`), the repository (`raibid.gitops.change.checkout`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


class Repository(Protocol):
    """As much of a checkout as reading needs."""

    def git(self, *arguments: str, lines: str = "") -> str:
        """What git prints. Raises GitError."""


@dataclass(frozen=True)
class Tree:
    """A commit's files."""

    repository: Repository
    commit: str
    files: Mapping[str, tuple[str, str]]
    """Path → mode and id of the content."""
    _directories: frozenset[str] = field(repr=False)

    @classmethod
    def of(cls, repository: Repository, commit: str) -> Tree:
        """The tree of a commit. Raises GitError."""
        files = {}
        for line in repository.git("ls-tree", "-r", "-z", "--full-tree", commit).split("\0"):
            about, tab, path = line.partition("\t")
            if tab:
                mode, _type, content = about.split()
                files[path] = (mode, content)
        return cls(repository, commit, files, frozenset(parent for path in files for parent in parents(path)))

    def text(self, path: str) -> str:
        """What a file says; empty for none."""
        if path not in self.files or self.files[path][0] == "160000":
            return ""
        return self.repository.git("cat-file", "blob", self.files[path][1])

    def is_directory(self, path: str) -> bool:
        """Whether there are files below it; the empty path is the root."""
        return not path or path in self._directories

    def below(self, directory: str) -> list[str]:
        """Every file below a directory."""
        return [path for path in self.files if not directory or path.startswith(f"{directory}/")]

    def only(self, paths: Iterable[str]) -> dict[str, tuple[str, str]]:
        """What there is of these paths."""
        return {path: self.files[path] for path in paths if path in self.files}


def documents(text: str) -> list[Any] | None:
    """The documents of a YAML file; None: it is no YAML, which may be the very thing that is wrong."""
    try:
        return list(YAML(typ="safe", pure=True).load_all(text))
    except (YAMLError, ValueError, TypeError, RecursionError):
        return None


def parents(path: str) -> list[str]:
    """The directories that a path is in."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
