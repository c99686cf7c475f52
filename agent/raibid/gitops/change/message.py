"""Commit messages: subject, body, trailers; written and read by the same rules. Pure.

Owns: that a value cannot pose as another line of the message, whatever it holds.
Leaves to others: the trailers' names (`trailers.py`), the commit (`checkout.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from raibid.gitops.change.trailers import NAMES

_TRAILER: Final = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9-]*)[ \t]*:(?P<value>.*)")
_CHERRY: Final = "(cherry picked from commit "
"""A line that git itself puts among the trailers."""
_SUBJECT: Final = 200
_NONE: Final = "Change"
_SPELLING: Final = {name.lower(): name for name in NAMES}


def message(subject: str, body: str, trailers: Mapping[str, str | Sequence[str]]) -> str:
    """A commit message. Each value is one line, whatever it was; one trailer per value, none for an empty one."""
    lines = [
        f"{name}: {text}"
        for name, values in trailers.items()
        for value in ((values,) if isinstance(values, str) else values)
        if (text := one_line(value))
    ]
    paragraphs = [one_line(subject)[:_SUBJECT] or _NONE, _body(body), "\n".join(lines)]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def trailers_of(message: str) -> dict[str, tuple[str, ...]]:
    """The trailers of a message, as git finds them: in its last paragraph, unless that is the subject.

    Our own names are found however they are spelled: git, too, takes no notice of case.
    """
    paragraphs = re.split(r"\n[ \t]*\n", message.replace("\r\n", "\n").strip("\n \t"))
    found: dict[str, list[str]] = {}
    last: list[str] | None = None
    for line in paragraphs[-1].split("\n") if len(paragraphs) > 1 else ():
        if line.startswith((" ", "\t")) and last:
            last[-1] = f"{last[-1]} {line.strip()}"  # folded
        elif match := _TRAILER.fullmatch(line):
            name = match["name"]
            last = found.setdefault(_SPELLING.get(name.lower(), name), [])
            last.append(match["value"].strip())
        elif not line.startswith(_CHERRY):
            return {}  # a paragraph of prose
    return {name: tuple(values) for name, values in found.items()}


def one_line(text: str) -> str:
    """A text as one line without control characters: git ends the message at a NUL."""
    return " ".join(_printable(text).split())


def _body(text: str) -> str:
    lines = "\n".join(_printable(line).rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip("\n")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
