"""A plan, shown: as a diff for people, as values for programs. Pure.

Owns: words and signs.
Leaves to others: the plan (`plan.py`), colours and the terminal (`raibid.cli`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from raibid.mirror.actions import REPORTED, Action, Kind, Plan, interval_text
from raibid.model.findings import one_line

NO_CHANGES: Final = "no changes"
SIGNS: Final = {
    Kind.OWNER: "+",
    Kind.CREATE: "+",
    Kind.ADOPT: "=",
    Kind.UPDATE: "~",
    Kind.ARCHIVE: "-",
    Kind.DELETE: "x",
    Kind.ORPHAN: "?",
    Kind.CONFLICT: "!",
}
_COUNTED: Final = {
    Kind.OWNER: "to found",
    Kind.CREATE: "to create",
    Kind.ADOPT: "to adopt",
    Kind.UPDATE: "to update",
    Kind.ARCHIVE: "to archive",
    Kind.DELETE: "to delete",
    Kind.ORPHAN: "orphaned",
    Kind.CONFLICT: "in conflict",
}


@dataclass(frozen=True)
class Line:
    """A line of the diff; the kind gives its colour, None: a note or a detail."""

    kind: Kind | None
    text: str


def lines(plan: Plan) -> Iterator[Line]:
    """The whole diff. Words of a forge's are on one line, whatever is in them."""
    width = max((len(action.target) for action in plan.actions), default=0)
    for action in plan.actions:
        yield Line(
            action.kind, f"{SIGNS[action.kind]} {action.kind:<8} {action.target:<{width}}  {_about(action)}".rstrip()
        )
        for change in action.changes:
            old, new = (one_line(str(value), 200) for value in (change.old, change.new))
            yield Line(None, f"    {change.field}: {old!r} → {new!r}")
    for note in (*plan.troubles, *plan.notes):
        yield Line(None, f"note: {one_line(note, 400)}")
    yield Line(None, summary(plan))


def summary(plan: Plan) -> str:
    """One line: how many of what, or that there is nothing to do."""
    counts = Counter(action.kind for action in plan.actions)
    said = [f"{counts[kind]} {_COUNTED[kind]}" for kind in Kind if counts[kind]]
    if not plan.to_do:
        return ", ".join([NO_CHANGES, *said, f"{plan.unchanged} as they should be"])
    return ", ".join([*said, f"{plan.unchanged} unchanged"])


def as_data(plan: Plan) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "changes": bool(plan.to_do),
        "unchanged": plan.unchanged,
        "actions": [_action(action) for action in plan.actions],
        "troubles": list(plan.troubles),
        "notes": list(plan.notes),
    }


def action_data(action: Action) -> dict[str, Any]:
    """An action's name, for lines about it."""
    return {"kind": str(action.kind), "target": action.target}


def _action(action: Action) -> dict[str, Any]:
    source = _source(action)
    return {
        **action_data(action),
        **({"source": source} if source else {}),
        "why": action.why,
        "done_by_apply": action.kind not in REPORTED,
        "changes": [{"field": c.field, "from": c.old, "to": c.new} for c in action.changes],
    }


def _source(action: Action) -> str:
    return action.wanted.source if action.wanted else action.held.original_url if action.held else ""


def _about(action: Action) -> str:
    if action.kind is Kind.OWNER:
        return "a new organisation"
    words = [one_line(action.why, 300)] if action.why else []
    if action.kind is Kind.CREATE and action.wanted:
        wanted = action.wanted
        often = f"every {interval_text(wanted.interval)}" if wanted.interval else "when told"
        looks = f"{wanted.looks} looks {often}"
        words.append(f"{'private' if wanted.private else 'public'}, {looks}")
    source = _source(action)
    return "; ".join([*([f"from {one_line(source, 200)}"] if source else []), *words])
