"""Pull requests as both forges list them → the events their webhooks would have brought.

Owns: the list's shape.
Leaves to others: the shape of one (`pull_request_payload.py`), asking for the list (the clients).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from raibid.forge.errors import PayloadError
from raibid.forge.pull_request_payload import Pull, PullRequest, event_of
from raibid.model.pull_request_event import PullRequestEvent


class OpenPull(Pull, frozen=True, kw_only=True):
    """One of the list."""

    number: int


def events_of(pulls: Iterable[OpenPull], *, forge: str) -> Sequence[PullRequestEvent]:
    """The events; without those whose names the pool does not accept, for it would refuse their webhook as well."""
    found = (_event(pull, forge) for pull in pulls)
    return [event for event in found if event is not None]


def _event(pull: OpenPull, forge: str) -> PullRequestEvent | None:
    if pull.base.repo is None:
        return None
    told = PullRequest(action="opened", number=pull.number, pull_request=pull, repository=pull.base.repo)
    try:
        event = event_of(told, forge=forge)
    except PayloadError:
        return None
    return event if isinstance(event, PullRequestEvent) else None
