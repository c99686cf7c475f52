"""All that a forge's webhook may tell the pool.

Owns: which kinds there are.
Leaves to others: each one's shape (the files named after them), which of them may be built (`raibid.forge.intake`).
"""

from __future__ import annotations

from typing import TypeAlias

from raibid.model.pull_request_event import PullRequestClosed, PullRequestEvent, PullRequestReviewed
from raibid.model.push_event import PushEvent

News: TypeAlias = PushEvent | PullRequestEvent | PullRequestClosed | PullRequestReviewed
