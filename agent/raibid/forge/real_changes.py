"""What a webhook or a list of heads does not tell of an event: its changed files, its head commit's message.

Owns: which questions a forge is asked about which event, what its answer adds.
Leaves to others: the calls (the clients), how long anybody waits for them (`raibid.api`), what the answers decide
(`intake.py`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from raibid.forge.changed_files import bounded
from raibid.forge.forge import Changes, Forge
from raibid.forge.intake import Event
from raibid.model.pull_request_event import PullRequestEvent
from raibid.model.push_event import PushEvent

_LONGEST_MESSAGE: Final = 8_192


def ask(forge: Forge, event: Event) -> Changes:
    """What the event changes, as the forge says.

    Raises:
        CallError: it does not say.
    """
    if isinstance(event, PullRequestEvent):
        return forge.pull_changes(event.repo, event.number, event.sha)
    return _of_new_branch(forge, event) if event.starts else forge.changes(event.repo, event.before, event.after)


def informed(event: Event, found: Changes) -> Event:
    """The event with the forge's answer; what it tells itself stays."""
    files = None if found.files is None else bounded(found.files)
    if isinstance(event, PushEvent) and event.starts:
        files = files or None  # a new branch at a known commit: built, for nobody says that it is like another
    return msgspec.structs.replace(
        event,
        changed=event.changed if event.changed is not None else files,
        message=event.message or found.message[:_LONGEST_MESSAGE],
    )


def _of_new_branch(forge: Forge, push: PushEvent) -> Changes:
    """Against the default branch, into which most branches want to go; of that branch itself everything is new.

    What the default branch got since the two parted is among it: `changes` takes either for a forced push of the other.
    """
    if push.default_branch in ("", push.ref.removeprefix("refs/heads/")):
        return Changes()
    return forge.changes(push.repo, push.default_branch, push.after)
