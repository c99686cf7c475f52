"""GitHub's webhooks → `News`.

Owns: GitHub's header names and the ways its payload differs.
Leaves to others: the signature (`webhook.py`), which comes first; what is built of it (`intake.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from raibid.forge import pull_request_payload
from raibid.forge.pull_request_payload import PullRequest, PullRequestReview
from raibid.forge.push_payload import Push, decode, event_of
from raibid.model.news import News

EVENT_HEADER: Final = "x-github-event"

_DECODER: Final = msgspec.json.Decoder(Push)
_REVIEW: Final = "pull_request_review"
_REVIEW_DECODER: Final = msgspec.json.Decoder(PullRequestReview)
_PULL_REQUEST: Final = msgspec.json.Decoder(PullRequest)
_MOST_COMMITS: Final = 2048
"""GitHub lists no more commits than this (its documentation of the push event) and does not say how many there were."""


def parse(headers: Mapping[str, str], body: bytes) -> News | None:
    """What it is about; None for an event the pool does not act on, `ping` among them.

    Raises:
        PayloadError: one of them that cannot be read.
    """
    event = headers.get(EVENT_HEADER)
    if event == pull_request_payload.EVENT:
        return pull_request_payload.event_of(decode(body, _PULL_REQUEST), forge="github")
    if event == _REVIEW:
        return pull_request_payload.review_of(decode(body, _REVIEW_DECODER), forge="github")
    if event != "push":
        return None
    push = decode(body, _DECODER)
    who = push.pusher
    # A forced push also undoes commits, whose files no payload lists.
    complete = not push.forced and not push.created and len(push.commits or ()) < _MOST_COMMITS
    return event_of(
        push,
        forge="github",
        author=(who.name or who.login) if who else "",
        complete=complete,
    )
