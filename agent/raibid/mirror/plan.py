"""What to do so that Gitea has the mirrors that should be. Pure: the same two states give the same plan.

Owns: the decision for every repository; that nothing is archived for an error of GitHub's, nothing touched that is not
ours, and nothing deleted that nobody named.
Leaves to others: what should be (`desired.py`), what is (`survey.py`), what nobody wants any more (`leftovers.py`),
doing it (`apply.py`), showing it (`diff.py`).

Ours is what bears the topic `raibid-mirror`. A mirror of the right source without it is adopted, so that a run that
was killed between making and marking leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from raibid.forge.gitea.mirrors import Held
from raibid.mirror.actions import Action, Actual, Change, Kind, Plan, interval_of, interval_text, is_archived
from raibid.mirror.config import MARK
from raibid.mirror.desired import Desired, Wanted, source_key
from raibid.mirror.leftovers import doomed_by, leftovers, pruned_shells


def plan(desired: Desired, actual: Actual, prune: Collection[str] = ()) -> Plan:
    """What to do. `prune`: full names of mirrors of ours that may be deleted.

    Raises:
        NotOursError: one of them is none of ours, or still wanted.
    """
    there = actual.by_name
    wanted = {one.target.lower() for one in desired.mirrors}
    doomed = doomed_by(prune, there, wanted)
    actions = [Action(kind=Kind.OWNER, target=name) for name in _missing_owners(desired, actual)]
    # A marked repository that is no mirror any more was made somebody's own.
    ours = [held for held in actual.marked if held.mirror]
    archived = {source_key(held.original_url): held for held in ours if is_archived(held) and held.id not in doomed}
    taken = set(there)
    unchanged = 0
    for one in desired.mirrors:
        held = there.get(one.target.lower())
        action = _for_wanted(one, held, archived)
        unchanged += action is None
        if action:
            actions.append(action)
    for target, why in desired.clashes:
        actions.append(Action(kind=Kind.CONFLICT, target=target, why=why, held=there.get(target.lower())))
    restored = {action.held.id for action in actions if action.held and action.kind is Kind.UPDATE}
    contested = {target.lower() for target, _ in desired.clashes}
    rest = [h for h in ours if h.full_name.lower() not in wanted | contested and h.id not in restored]
    more, notes = leftovers(rest, desired, doomed, taken)
    actions += [*more, *pruned_shells(there, doomed, {h.id for h in rest})]
    order = list(Kind)
    return Plan(
        actions=tuple(sorted(actions, key=lambda a: (order.index(a.kind), a.target.lower()))),
        notes=(*desired.notes, *notes),
        troubles=tuple(
            f"{one.github} could not be listed, so nothing of it is made or archived: {one.error}"
            for one in desired.organisations
            if one.error
        ),
        unchanged=unchanged,
    )


def _missing_owners(desired: Desired, actual: Actual) -> list[str]:
    needed = {one.owner.lower() for one in desired.mirrors}
    return [name for name in desired.owners if name.lower() in needed and actual.owners.get(name.lower()) is None]


def _for_wanted(one: Wanted, held: Held | None, archived: Mapping[str, Held]) -> Action | None:
    """What becomes of one mirror that should be; None: it is as it should be."""
    if held is None:
        old = archived.get(source_key(one.source))
        if old is None or old.full_name.partition("/")[0].lower() != one.owner.lower():
            return Action(kind=Kind.CREATE, target=one.target, wanted=one)
        name = old.full_name.partition("/")[2]
        changes = (Change("name", name, one.name), *_changes(one, old))
        return Action(
            kind=Kind.UPDATE, target=one.target, wanted=one, held=old, changes=changes, why="its source is back"
        )
    if why := _conflict(one, held):
        return Action(kind=Kind.CONFLICT, target=one.target, wanted=one, held=held, why=why)
    if held.shell:
        why = "an earlier attempt left an empty repository"
        return Action(kind=Kind.CREATE, target=one.target, wanted=one, held=held, why=why)
    changes = _changes(one, held)
    if MARK not in held.topics:
        why = "mirrors this source already"
        return Action(kind=Kind.ADOPT, target=one.target, wanted=one, held=held, changes=changes, why=why)
    if not changes:
        return None
    return Action(kind=Kind.UPDATE, target=one.target, wanted=one, held=held, changes=changes)


def _conflict(one: Wanted, held: Held) -> str:
    if not held.mirror:
        return "a repository of that name is there, and is no mirror"
    if source_key(held.original_url) != source_key(one.source):
        return f"a mirror of {held.original_url or 'another source'} is there"
    if held.shell and not held.empty:
        return "an unfinished creation that has content; look at it, then name it with --prune"
    return ""


def _changes(one: Wanted, held: Held) -> tuple[Change, ...]:
    description = held.description if one.description is None else one.description
    pairs = (
        ("description", held.description, description),
        ("private", held.private, one.private),
        ("mirror_interval", interval_text(interval_of(held.mirror_interval)), interval_text(one.gitea_interval)),
        ("archived", is_archived(held), False),
    )
    return tuple(Change(*pair) for pair in pairs if pair[1] != pair[2])
