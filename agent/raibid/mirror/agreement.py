"""What no single value of `mirrors.yaml` can be wrong about: how entries agree with each other and with the hosts.

Owns: these rules.
Leaves to others: single values (`config.py`), places and words of other findings (`lint.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from raibid.mirror.config import Manner, MirrorsFile, manner, refused
from raibid.mirror.desired import place_at
from raibid.model.yaml_source import Path


@dataclass(frozen=True)
class Clash:
    """Something that does not go together, and the value that is best changed."""

    path: Path
    rule: str
    message: str
    suggestion: str


def clashes(file: MirrorsFile) -> Iterator[Clash]:
    """All of them, in no order."""
    yield from _unguarded(file)
    yield from _single(file)
    yield from _org(file)


def _unguarded(file: MirrorsFile) -> Iterator[Clash]:
    places: list[tuple[Path, Manner]] = [(("defaults",), file.defaults)]
    places += [(("single", index), entry) for index, entry in enumerate(file.single)]
    places += [(("org", index), entry) for index, entry in enumerate(file.org)]
    for path, entry in places:
        if entry.force_push and manner(entry, file.defaults, "looks", "raibid") == "gitea":
            message = "Gitea looks here by itself, and keeps to no such policy"
            yield Clash((*path, "force_push"), "unguarded", message, "remove it, or write `looks: raibid`")


def _single(file: MirrorsFile) -> Iterator[Clash]:
    guard = file.guard()
    targets: set[str] = set()
    for index, entry in enumerate(file.single):
        path = ("single", index)
        if (entry.source is None) == (entry.github is None):
            yield Clash(path, "one-source", "an entry has either `source` or `github`", "give one of them")
            continue
        if why := refused(guard, entry.url):
            key = "source" if entry.source else "github"
            yield Clash((*path, key), "host-not-listed", why, "https, at a host of `hosts:`")
        if file.defaults.token and entry.token is None and not place_at("https://github.com", entry.url):
            message = "the token of `defaults` is for GitHub, and is not shown to another host"
            yield Clash(path, "whose-token", message, "write `token:` with the name of its own, or `token: none`")
        if entry.target.lower() in targets:
            yield Clash((*path, "target"), "duplicate-target", "another entry has this target", "choose another name")
        targets.add(entry.target.lower())


def _org(file: MirrorsFile) -> Iterator[Clash]:
    sources: set[str] = set()
    for index, entry in enumerate(file.org):
        path = ("org", index)
        if entry.github.lower() in sources:
            yield Clash(
                (*path, "github"), "duplicate-org", "another entry has this organisation", "make one of the two"
            )
        sources.add(entry.github.lower())
        renamed = [name.lower() for name in entry.names.values()]
        for key, name in entry.names.items():
            if renamed.count(name.lower()) > 1:
                yield Clash((*path, "names", key), "duplicate-target", "another has this name", "choose another name")
        if manner(entry, file.defaults, "private", True) is False and entry.visibility != "public":
            where = (*path, "private") if entry.private is not None else path
            message = "private repositories of this organisation would be shown to everybody"
            yield Clash(where, "leaks-private", message, "write `private: as-source`, or `visibility: public`")
