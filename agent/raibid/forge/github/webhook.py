"""GitHub's webhooks → `PushEvent`, `PullRequestEvent`.

Owns: GitHub's header names and the ways its payload differs.
Leaves to others: the signature (`webhook.py`), which comes first; what is built of it (`intake.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from raibid.forge import pull_request_payload
from raibid.forge.pull_request_payload import PullRequest
from raibid.forge.push_payload import Push, decode, event_of
from raibid.model.pull_request_event import PullRequestClosed, PullRequestEvent
from raibid.model.push_event import PushEvent

EVENT_HEADER: Final = "x-github-event"
DELIVERY_HEADER: Final = "x-github-delivery"

_DECODER: Final = msgspec.json.Decoder(Push)
_PULL_REQUEST: Final = msgspec.json.Decoder(PullRequest)
_MOST_COMMITS: Final = 2048
"""GitHub lists no more commits than this (its documentation of the push event) and does not say how many there were."""


def parse(headers: Mapping[str, str], body: bytes) -> PushEvent | PullRequestEvent | PullRequestClosed | None:
    """The push or pull request; None for an event the pool does not act on, `ping` among them.

    Raises:
        PayloadError: one of them that cannot be read.
    """
    event = headers.get(EVENT_HEADER)
    if event == pull_request_payload.EVENT:
        return pull_request_payload.event_of(
            decode(body, _PULL_REQUEST), forge="github", delivery=headers.get(DELIVERY_HEADER, "")
        )
    if event != "push":
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
