"""What becomes of mirrors of ours that nothing in `mirrors.yaml` asks for any more. Pure.

Owns: gone or left out by its organisation's filters → archived; no entry any more → told; named → deleted. An
organisation that could not be listed, or lists suspiciously little, has nothing archived.
Leaves to others: mirrors that should be (`plan.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from raibid.forge.gitea.mirrors import Held
from raibid.mirror.actions import ARCHIVED, Action, Change, Kind, interval_of, interval_text, is_archived
from raibid.mirror.config import MARK
from raibid.mirror.desired import Desired, Organisation, source_key
from raibid.mirror.errors import NotOursError

_FEW: Final = 3
"""So many sources may go at once without being suspicious, even if they are all there were."""


def leftovers(
    rest: Sequence[Held], desired: Desired, doomed: Collection[int], taken: set[str]
) -> tuple[list[Action], list[str]]:
    """Actions and notes for mirrors of ours (`rest`) that no entry names. `taken`: full names, in lower case."""
    actions: list[Action] = []
    notes: list[str] = []
    of_no_entry: list[Held] = []
    by_entry: dict[str, list[Held]] = {}
    for held in sorted(rest, key=lambda h: h.full_name.lower()):
        entry = _entry_of(held, desired.organisations)
        if held.id in doomed:
            actions.append(Action(kind=Kind.DELETE, target=held.full_name, held=held, why="named by --prune"))
        elif is_archived(held):
            continue
        elif entry:
            by_entry.setdefault(entry.github, []).append(held)
        else:
            of_no_entry.append(held)
    for entry in desired.organisations:
        some, said = _of_entry(entry, by_entry.get(entry.github, ()), taken)
        actions += some
        notes += said
    actions += [
        Action(kind=Kind.ORPHAN, target=held.full_name, held=held, why="no entry asks for it any more")
        for held in of_no_entry
    ]
    return actions, notes


def _entry_of(held: Held, organisations: Sequence[Organisation]) -> Organisation | None:
    home = source_key(held.original_url).rpartition("/")[0]
    owner = held.full_name.partition("/")[0].lower()
    return next((one for one in organisations if one.target.lower() == owner and home in one.homes), None)


def _of_entry(entry: Organisation, ours: Sequence[Held], taken: set[str]) -> tuple[list[Action], list[str]]:
    """What becomes of mirrors of an organisation that does not list them, or whose filters leave them out."""
    if not ours or entry.error:  # an error of GitHub's is no reason to archive anything
        return [], []
    gone = [held for held in ours if source_key(held.original_url) not in entry.listed]
    notes = []
    if gone and (not entry.listed or len(gone) > max(_FEW, (len(entry.listed) + len(gone)) // 2)):
        notes = [
            f"{entry.github} lists {len(entry.listed)} and misses {len(gone)} of ours: suspicious, none is archived"
        ]
        ours, gone = [held for held in ours if held not in gone], []
    actions = []
    for held in ours:
        key = source_key(held.original_url)
        if why := entry.left_out.get(key, "gone from its organisation" if held in gone else ""):
            actions.append(_archive(held, why, taken))
        else:
            why = "its source is mirrored under another name now"
            actions.append(Action(kind=Kind.ORPHAN, target=held.full_name, held=held, why=why))
    return actions, notes


def _archive(held: Held, why: str, taken: set[str]) -> Action:
    owner, _, name = held.full_name.partition("/")
    changes = [Change("archived", False, True)]
    if looks := interval_of(held.mirror_interval):
        changes.insert(0, Change("mirror_interval", interval_text(looks), interval_text(0)))
    if not name.startswith(ARCHIVED):  # else: an earlier run came so far
        new = next(new for new in _archived_names(name) if f"{owner}/{new}".lower() not in taken)
        taken.add(f"{owner}/{new}".lower())
        changes.insert(0, Change("name", name, new))
    return Action(kind=Kind.ARCHIVE, target=held.full_name, held=held, why=why, changes=tuple(changes))


def _archived_names(name: str) -> Iterator[str]:
    yield f"{ARCHIVED}{name}"[:100]
    yield from (f"{ARCHIVED}{name}"[:95] + f"-{number}" for number in range(2, 10_000))


def doomed_by(prune: Collection[str], there: Mapping[str, Held], wanted: Collection[str]) -> set[int]:
    """Numbers of what --prune names.

    Raises:
        NotOursError: one of the names is none of ours, or still wanted.
    """
    doomed: set[int] = set()
    for name in prune:
        held = there.get(name.lower())
        if held is None or not held.mirror or (MARK not in held.topics and not held.shell):
            raise NotOursError(f"{name}: no mirror of ours; --prune takes nothing else")
        if name.lower() in wanted and not held.shell:
            raise NotOursError(f"{name}: mirrors.yaml asks for it; remove its entry first")
        doomed.add(held.id)
    return doomed


def pruned_shells(there: Mapping[str, Held], doomed: Collection[int], done: Collection[int]) -> list[Action]:
    """Unfinished creations that somebody named; they are not marked yet."""
    return [
        Action(kind=Kind.DELETE, target=held.full_name, held=held, why="named by --prune")
        for held in there.values()
        if held.id in doomed and held.id not in done
    ]
