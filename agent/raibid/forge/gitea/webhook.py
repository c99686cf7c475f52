"""Gitea's webhooks → `News`.

Owns: Gitea's header names and the ways its payload differs.
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

EVENT_HEADER: Final = "x-gitea-event"

_DECODER: Final = msgspec.json.Decoder(Push)
_REVIEW: Final = "pull_request_approved"
"""Of the hook's event `pull_request_review`; comments and rejections have names of their own."""
_REVIEW_DECODER: Final = msgspec.json.Decoder(PullRequestReview)
_PULL_REQUEST: Final = msgspec.json.Decoder(PullRequest)


def parse(headers: Mapping[str, str], body: bytes) -> News | None:
    """What it is about; None for an event the pool does not act on, which the header nearly always tells.

    Raises:
        PayloadError: one of them that cannot be read.
    """
    event = headers.get(EVENT_HEADER)
    if event == pull_request_payload.EVENT:
        return pull_request_payload.event_of(decode(body, _PULL_REQUEST), forge="gitea")
    if event == _REVIEW:
        return pull_request_payload.review_of(decode(body, _REVIEW_DECODER), forge="gitea")
    if event != "push":
        return None
    push = decode(body, _DECODER)
    who = push.pusher
    # Gitea lists at most `[ui] FEED_MAX_COMMIT_NUM` commits (5 by default) and says in total_commits how many
    # there were (routers/api, `services/webhook/notifier.go`); an old one says nothing, which is not complete.
    complete = push.total_commits is not None and push.total_commits == len(push.commits or ())
    return event_of(
        push,
        forge="gitea",
        author=(who.login or who.username) if who else "",
        complete=complete,
    )
