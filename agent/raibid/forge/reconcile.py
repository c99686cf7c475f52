"""What a look at a forge means: which repositories are watched, which of their heads nobody has told us of. Pure.

Owns: a repository's standing, heads and pull requests → the events their webhooks would have been, the comparison
with what is remembered.
Leaves to others: remembering (`raibid.ledger.heads`), asking and enqueuing (`raibid.api.reconciler`), what an event
becomes (`intake.py`).

A head is built unless it was there before anybody asked for it to be built. So the one question that a standing
answers is: were this repository's first heads asked for?
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from raibid.forge import names
from raibid.forge.enrolment import Enrolment
from raibid.forge.errors import PayloadError
from raibid.forge.forge import Head, RepositoryInfo
from raibid.forge.intake import Event, dedupe_key
from raibid.model.pull_request_event import PullRequestEvent
from raibid.model.push_event import ZERO_SHA, PushEvent

FOUND_BY: Final = "reconciler"
"""What jobs that no webhook brought say of themselves."""


class Standing(StrEnum):
    """What a repository is to us."""

    OUT = "out"  #: it is there, and nothing of it is built: not enrolled, a mirror, archived
    ABSENT = "absent"  #: the enrolment file names it, and the forge does not have it (yet)
    FIRST = "first"  #: to be built from now on; what its first look finds is only remembered
    IN = "in"  #: what is not remembered of it is new


def is_watched(info: RepositoryInfo, enrolment: Enrolment) -> bool:
    """Whether pushes to a repository are built: enrolled, not archived, and of mirrors only those that are named.

    An empty one is watched: its first push may be the one that is lost.
    """
    return not info.archived and enrolment.rule(info.full_name, mirror=info.mirror) is not None


def standing_of(
    info: RepositoryInfo, before: Standing | None, enrolment: Enrolment, *, others_are_known: bool
) -> Standing:
    """A repository's standing now.

    `others_are_known`: we have seen all repositories of that forge before, so that one we have not seen is new.
    """
    if not is_watched(info, enrolment):
        return Standing.OUT
    match before:
        case Standing.FIRST | Standing.IN:
            return before
        case Standing.ABSENT:
            return Standing.IN  # made after it was named
        case Standing.OUT:
            return Standing.FIRST  # enrolled, unarchived: nobody asked for the heads it has
    return Standing.IN if others_are_known else Standing.FIRST


@dataclass(frozen=True, slots=True)
class Comparison:
    """A repository's heads beside what is remembered of it."""

    events: tuple[Event, ...] = ()
    """Every head, as its webhook would have told it."""
    moved: frozenset[str] = frozenset()
    """Refs of those of them that are not what is remembered."""
    unknown: frozenset[str] = frozenset()
    """Refs of those of them of which nothing is remembered: new, or there again."""
    gone: tuple[str, ...] = ()
    """Remembered refs that are there no more."""
    unusable: tuple[str, ...] = ()
    """Heads that no job can be made of, and why; one line each."""


def compare(
    forge: str,
    info: RepositoryInfo,
    heads: Iterable[Head],
    pulls: Iterable[PullRequestEvent],
    remembered: Mapping[str, str],
) -> Comparison:
    """What has moved. `remembered`: ref → commit."""
    events: list[Event] = []
    unusable: list[str] = []
    there: set[str] = set()
    for head in heads:
        there.add(f"refs/heads/{head.branch}")
        try:
            events.append(_push(forge, info, head, remembered))
        except PayloadError as error:
            unusable.append(f"{info.full_name}: {error}")
    for pull in pulls:
        there.add(pull.ref)
        events.append(msgspec.structs.replace(pull, mirror=info.mirror))
    moved = frozenset(event.ref for event in events if remembered.get(event.ref) != sha_of(event))
    # A repository that shows no branch at all is rather in trouble than without any: to remember them does no harm.
    gone = tuple(sorted(set(remembered) - there)) if any(ref.startswith("refs/heads/") for ref in there) else ()
    unknown = frozenset(event.ref for event in events if event.ref not in remembered)
    return Comparison(tuple(events), moved, unknown, gone, tuple(unusable))


def sha_of(event: Event) -> str:
    """The head commit."""
    return event.after if isinstance(event, PushEvent) else event.sha


def key_of(event: Event) -> str:
    """The dedupe key its webhook's job has."""
    return dedupe_key(event.repo, event.ref, sha_of(event), forge=event.forge)


def _push(forge: str, info: RepositoryInfo, head: Head, remembered: Mapping[str, str]) -> PushEvent:
    ref = names.ref(f"refs/heads/{head.branch}")
    return PushEvent(
        forge=forge,
        repo=names.repository(info.full_name),
        clone_url=names.clone_url(info.clone_url),
        ref=ref,
        before=remembered.get(ref, ZERO_SHA),
        after=names.sha(head.sha),
        default_branch=info.default_branch,
        link=_commit_page(info.clone_url, head.sha),
        mirror=info.mirror,
    )


def _commit_page(clone_url: str, sha: str) -> str:
    """Where both forges show a commit; nothing for URLs that no browser opens."""
    return f"{clone_url.removesuffix('.git')}/commit/{sha}" if clone_url.startswith(("https://", "http://")) else ""


def in_turn(looked: Mapping[str, float], watched: Iterable[str]) -> Sequence[str]:
    """The repositories, the one not looked at for longest first: fair, however few a round gets to."""
    return sorted(watched, key=lambda name: (looked.get(name, 0.0), name))
