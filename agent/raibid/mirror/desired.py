"""What `mirrors.yaml` asks for, once its organisations are listed. Pure.

Owns: which repositories of a listing are mirrored, under which names, how; which are left out, and why.
Leaves to others: asking GitHub (`survey.py`), what is there already (`plan.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from raibid.forge import names
from raibid.forge.errors import PayloadError
from raibid.forge.forge import RepositoryInfo
from raibid.mirror.config import ForcePush, Looks, Manner, MirrorsFile, OrgEntry, SingleEntry, manner, refused
from raibid.mirror.patterns import matches


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One mirror as it should be."""

    target: str  #: owner/name in Gitea
    source: str  #: clone URL, without credentials
    private: bool = True
    description: str | None = None  #: None: whatever it is
    interval: int = 8 * 3600  #: seconds between two looks at the source; 0: only when asked
    looks: Looks = "raibid"
    lfs: bool = False
    wiki: bool = False
    token: str = ""  #: the name of one
    force_push: ForcePush = "on-force-push"
    hook: bool = False

    @property
    def gitea_interval(self) -> int:
        """How often Gitea looks by itself; 0, never, where raibid does: Gitea keeps no bundle and blocks nothing."""
        return self.interval if self.looks == "gitea" else 0

    @property
    def owner(self) -> str:
        """The target's."""
        return self.target.partition("/")[0]

    @property
    def name(self) -> str:
        """The target's, within its owner."""
        return self.target.partition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What GitHub said of one organisation; with an `error`, nothing follows from what is missing."""

    repositories: Sequence[RepositoryInfo] = ()
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Organisation:
    """One `org` entry with its listing, as far as `plan` must know it."""

    github: str
    target: str
    homes: frozenset[str]  #: what the keys of its sources begin with
    listed: frozenset[str] = frozenset()  #: keys of all sources in the listing
    left_out: Mapping[str, str] = field(default_factory=dict)  #: key → why
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Desired:
    """All mirrors that should be, by target; and what else the plan has to know."""

    mirrors: tuple[Wanted, ...] = ()
    organisations: tuple[Organisation, ...] = ()
    owners: tuple[str, ...] = ()  #: in Gitea, also of entries that list nothing
    clashes: tuple[tuple[str, str], ...] = ()  #: target, and why nothing is done there
    notes: tuple[str, ...] = ()


def source_key(url: str) -> str:
    """What two spellings of one source share: host and path, without `.git`; GitHub's without case."""
    parts = urlsplit(url.strip())
    host = (parts.hostname or "").lower()
    try:
        port = parts.port if parts.port != {"http": 80, "https": 443}.get(parts.scheme) else None
    except ValueError:
        port = None
    path = parts.path.strip("/").removesuffix(".git")
    return f"{host}{f':{port}' if port else ''}/{path.lower() if host == 'github.com' else path}"


def place_at(site: str, url: str) -> str:
    """`owner/name` of a source at GitHub's `site`, in lower case since GitHub minds none; empty: it is elsewhere."""
    home, key = f"{source_key(site).rstrip('/')}/".lower(), source_key(url).lower()
    return key.removeprefix(home) if key.startswith(home) else ""


def token_for(source: str, entry: Manner, defaults: Manner, site: str) -> str:
    """The name of the token that a source is shown: the entry's; else the defaults', which no other host gets."""
    if entry.token is not None:
        return entry.token
    return (defaults.token or "") if place_at(site, source) else ""


def desire(file: MirrorsFile, listings: Mapping[str, Listing], site: str = "https://github.com") -> Desired:
    """What the file asks for. `listings`: by the organisation's name as the file spells it; `site`: GitHub's own."""
    found: list[Wanted] = [_single(entry, file.defaults, site) for entry in file.single]
    organisations: list[Organisation] = []
    notes: list[str] = []
    for entry in file.org:
        listing = listings.get(entry.github, Listing(error="not listed"))
        some, organisation, said = _organisation(entry, file, listing, site)
        found += some
        organisations.append(organisation)
        notes += said
    mirrors, clashes = _one_per_target(found)
    owners = {name.lower(): name for name in (*(one.owner for one in mirrors), *(entry.target for entry in file.org))}
    return Desired(
        mirrors=mirrors,
        organisations=tuple(organisations),
        owners=tuple(owners[name] for name in sorted(owners)),
        clashes=clashes,
        notes=tuple(notes),
    )


def _single(entry: SingleEntry, defaults: Manner, site: str) -> Wanted:
    private = manner(entry, defaults, "private", True)
    token = token_for(entry.url, entry, defaults, site)
    return _wanted(entry, defaults, entry.target, entry.url, entry.description, private=private, token=token)


def _wanted(
    entry: Manner, defaults: Manner, target: str, source: str, description: str | None, *, private: bool, token: str
) -> Wanted:
    return Wanted(
        target=target,
        source=source,
        description=description,
        private=private,
        interval=manner(entry, defaults, "interval", Wanted.interval),
        looks=manner(entry, defaults, "looks", Wanted.looks),
        lfs=manner(entry, defaults, "lfs", False),
        wiki=manner(entry, defaults, "wiki", False),
        token=token,
        force_push=manner(entry, defaults, "force_push", Wanted.force_push),
        hook=manner(entry, defaults, "hook", False),
    )


def _organisation(
    entry: OrgEntry, file: MirrorsFile, listing: Listing, site: str
) -> tuple[list[Wanted], Organisation, list[str]]:
    guard = file.guard()
    keys = [source_key(info.clone_url) for info in listing.repositories]
    # Also the site's, by which the mirrors are known when the listing is empty or failed.
    homes = {key.rpartition("/")[0] for key in keys} | {source_key(f"{site}/{entry.github}")}
    wanted: list[Wanted] = []
    left_out: dict[str, str] = {}
    notes: list[str] = []
    for key, info in zip(keys, listing.repositories, strict=True):
        if why := _left_out(entry, info):
            left_out[key] = why
            continue
        one = _of_organisation(entry, file.defaults, info, site)
        if why := refused(guard, info.clone_url) or _unfit(one.target):
            notes.append(f"{info.full_name}: not mirrored: {why}")
        else:
            wanted.append(one)
    organisation = Organisation(
        github=entry.github,
        target=entry.target,
        homes=frozenset(homes),
        listed=frozenset(keys),
        left_out=left_out,
        error=listing.error,
    )
    return wanted, organisation, notes


def _left_out(entry: OrgEntry, info: RepositoryInfo) -> str:
    """Why a repository is not mirrored; empty: it is."""
    name = info.full_name.partition("/")[2]
    unfit = {
        "no `include` pattern is its name": not matches(entry.include, name),
        "an `exclude` pattern is its name": matches(entry.exclude, name),
        "a fork": info.fork and not entry.forks,
        "archived at GitHub": info.archived and not entry.archived,
        "empty": info.empty and not entry.empty,
        "private": info.private and entry.visibility == "public",
        "public": not info.private and entry.visibility == "private",
    }
    return next((why for why, holds in unfit.items() if holds), "")


def _of_organisation(entry: OrgEntry, defaults: Manner, info: RepositoryInfo, site: str) -> Wanted:
    name = info.full_name.partition("/")[2]
    renamed = {old.lower(): new for old, new in entry.names.items()}.get(name.lower())
    private = manner(entry, defaults, "private", True)
    return _wanted(
        entry,
        defaults,
        f"{entry.target}/{renamed or entry.prefix + name}",
        info.clone_url,
        info.description.strip(),
        private=info.private if private == "as-source" else private,
        token=token_for(info.clone_url, entry, defaults, site),
    )


def _unfit(target: str) -> str:
    try:
        names.repository(target)
    except PayloadError as error:
        return str(error)
    return ""


def _one_per_target(found: Sequence[Wanted]) -> tuple[tuple[Wanted, ...], tuple[tuple[str, str], ...]]:
    """By target. Of the same source the first counts, so that a single entry wins over its organisation's."""
    by_target: dict[str, list[Wanted]] = {}
    for one in found:
        by_target.setdefault(one.target.lower(), []).append(one)
    return tuple(_agreed(by_target)), tuple(_disputed(by_target))


def _agreed(by_target: Mapping[str, Sequence[Wanted]]) -> Iterator[Wanted]:
    for _, rivals in sorted(by_target.items()):
        if len({source_key(one.source) for one in rivals}) == 1:
            yield rivals[0]


def _disputed(by_target: Mapping[str, Sequence[Wanted]]) -> Iterator[tuple[str, str]]:
    for _, rivals in sorted(by_target.items()):
        if len({source_key(one.source) for one in rivals}) > 1:
            yield rivals[0].target, f"wanted for {' and for '.join(sorted(one.source for one in rivals))}"
