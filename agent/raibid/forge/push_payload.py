"""The push payload that Gitea and GitHub share; only the fields the pool needs are decoded.

Owns: the shape, its decoding, the list of changed files.
Leaves to others: what each forge calls the pusher, when its list of commits is incomplete (`gitea/webhook.py`,
`github/webhook.py`).
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from raibid.forge import names
from raibid.forge.changed_files import bounded
from raibid.forge.errors import PayloadError
from raibid.model.push_event import PushEvent

_LONGEST_MESSAGE: Final = 8_192
_LONGEST_NAME: Final = 200


class Repository(msgspec.Struct, frozen=True, gc=False):
    """The repository's part of the payload."""

    full_name: str
    clone_url: str
    default_branch: str = ""
    mirror: bool = False


class Commit(msgspec.Struct, frozen=True):
    """One pushed commit."""

    id: str
    message: str = ""
    url: str = ""
    added: tuple[str, ...] | None = None
    removed: tuple[str, ...] | None = None
    modified: tuple[str, ...] | None = None


class Person(msgspec.Struct, frozen=True, gc=False):
    """A user: GitHub says `name`, Gitea `login` (and `username` for older clients)."""

    name: str = ""
    login: str = ""
    username: str = ""


class Push(msgspec.Struct, frozen=True):
    """What both forges send. Missing or mistyped fields fail to decode; unknown ones are skipped unread."""

    ref: str
    before: str
    after: str
    repository: Repository
    commits: tuple[Commit, ...] | None = None
    head_commit: Commit | None = None
    pusher: Person | None = None
    compare: str = ""
    compare_url: str = ""
    created: bool = False
    forced: bool = False
    total_commits: int | None = None


_P = TypeVar("_P")


def decode(body: bytes, decoder: msgspec.json.Decoder[_P]) -> _P:
    """Decode a body.

    Raises:
        PayloadError: not JSON, not UTF-8, nested too deeply, or not the shape.
    """
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise PayloadError(f"payload: {error}") from error
    except RecursionError as error:
        raise PayloadError("payload: nested too deeply") from error


def event_of(push: Push, *, forge: str, author: str, complete: bool) -> PushEvent:
    """Payload → event. `complete`: its commits are all that the push brought, so their files are all it changed.

    Raises:
        PayloadError: a name that the pool does not accept.
    """
    before, after = names.sha(push.before), names.sha(push.after)
    commits = push.commits or ()
    head = push.head_commit or next((c for c in reversed(commits) if c.id == after), None)
    return PushEvent(
        forge=forge,
        repo=names.repository(push.repository.full_name),
        clone_url=names.clone_url(push.repository.clone_url),
        ref=names.ref(push.ref),
        before=before,
        after=after,
        message=head.message[:_LONGEST_MESSAGE] if head else "",
        author=author[:_LONGEST_NAME],
        default_branch=names.branch(push.repository.default_branch),
        # A new ref starts at nothing (before is all zeros): its commits do not say how it differs from anything.
        changed=_changed(commits) if complete and commits and before.strip("0") else None,
        link=head.url[:_LONGEST_MESSAGE] if head else "",
        mirror=push.repository.mirror,
    )


def _changed(commits: tuple[Commit, ...]) -> tuple[str, ...] | None:
    files: set[str] = set()
    for commit in commits:
        if commit.added is None and commit.removed is None and commit.modified is None:
            return None
        files.update(commit.added or (), commit.removed or (), commit.modified or ())
    return bounded(files)
