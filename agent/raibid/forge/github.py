"""GitHub's webhooks → `PushEvent`.

Owns: GitHub's header names and the ways its payload differs.
Leaves to others: the signature (`webhook.py`), which comes first; what is built of it (`intake.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from raibid.forge.push_payload import Push, decode, event_of
from raibid.model.push_event import PushEvent

EVENT_HEADER: Final = "x-github-event"
DELIVERY_HEADER: Final = "x-github-delivery"

_DECODER: Final = msgspec.json.Decoder(Push)
_MOST_COMMITS: Final = 2048
"""GitHub lists no more commits than this (its documentation of the push event) and does not say how many there were."""


def parse(headers: Mapping[str, str], body: bytes) -> PushEvent | None:
    """The push, or None for an event the pool does not act on, `ping` among them.

    Raises:
        PayloadError: a push that cannot be read.
    """
    if headers.get(EVENT_HEADER) != "push":
        return None
    push = decode(body, _DECODER)
    who = push.pusher
    # A forced push also undoes commits, whose files no payload lists.
    complete = not push.forced and not push.created and len(push.commits or ()) < _MOST_COMMITS
    return event_of(
        push,
        forge="github",
        delivery=headers.get(DELIVERY_HEADER, ""),
        author=(who.name or who.login) if who else "",
        complete=complete,
    )
