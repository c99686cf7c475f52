"""Gitea's webhooks → `PushEvent`.

Owns: Gitea's header names and the ways its payload differs.
Leaves to others: the signature (`webhook.py`), which comes first; what is built of it (`intake.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from raibid.forge.push_payload import Push, decode, event_of
from raibid.model.push_event import PushEvent

EVENT_HEADER: Final = "x-gitea-event"
DELIVERY_HEADER: Final = "x-gitea-delivery"

_DECODER: Final = msgspec.json.Decoder(Push)


def parse(headers: Mapping[str, str], body: bytes) -> PushEvent | None:
    """The push, or None for an event the pool does not act on (decided by the header; the body stays unread).

    Raises:
        PayloadError: a push that cannot be read.
    """
    if headers.get(EVENT_HEADER) != "push":
        return None
    push = decode(body, _DECODER)
    who = push.pusher
    # Gitea lists at most `[ui] FEED_MAX_COMMIT_NUM` commits (5 by default) and says in total_commits how many
    # there were (routers/api, `services/webhook/notifier.go`); an old one says nothing, which is not complete.
    complete = push.total_commits is not None and push.total_commits == len(push.commits or ())
    return event_of(
        push,
        forge="gitea",
        delivery=headers.get(DELIVERY_HEADER, ""),
        author=(who.login or who.username) if who else "",
        complete=complete,
    )
