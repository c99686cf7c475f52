"""The post-receive hook of the pool's bare repositories: a forge's webhook, as Gitea sends it.

Owns: the payload in Gitea's format, its signature, one delivery per pushed ref, the line the pusher sees.
Leaves to others: what the API makes of it. It signs by itself and not with `raibid.forge`: the two ends of the wire
share no code, as with a real forge. The secret comes from its 0600 file, never by argv or environment.
"""

from __future__ import annotations

import hmac
import sys
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import requests

from raibid.local.errors import LocalError, StateError
from raibid.local.git import git
from raibid.local.state import StateDir, read_secret

_LISTED: Final = 5
"""Commits in a payload: Gitea's `[ui] FEED_MAX_COMMIT_NUM`; `total_commits` says how many there were."""
_TIMEOUT: Final = 10.0
_FIELDS: Final = ("%H", "%aI", "%an", "%ae", "%B")


class RefUpdate(msgspec.Struct, frozen=True):
    """A line of the hook's input: zeros for before (new ref) or after (deleted ref)."""

    before: str
    after: str
    ref: str


class Answer(msgspec.Struct, frozen=True):
    """What the API says of a delivery: the job's id, or why there is none."""

    id: str = ""
    skipped: str = ""
    error: str = ""
    remedy: str = ""


def ref_updates(lines: Iterable[str]) -> Iterator[RefUpdate]:
    """The hook's standard input, parsed."""
    for line in lines:
        before, after, ref = line.split(maxsplit=2)
        yield RefUpdate(before, after, ref.rstrip("\n"))


def payload(bare: Path, name: str, update: RefUpdate) -> dict[str, Any]:
    """Gitea's push payload (modules/structs/hook.go `PushPayload`) for one ref."""
    commits, total = _commits(bare, update)
    owner, _, short = name.partition("/")
    who = {"login": "raibid", "username": "raibid", "email": "raibid@localhost"}
    return {
        "ref": update.ref,
        "before": update.before,
        "after": update.after,
        "compare_url": "",
        "commits": commits,
        "total_commits": total,
        "head_commit": commits[0] if commits else None,
        "repository": {
            "name": short,
            "full_name": name,
            "owner": {"login": owner, "username": owner},
            "clone_url": bare.as_uri(),
            "html_url": bare.as_uri(),
            "default_branch": git("symbolic-ref", "--short", "HEAD", at=bare),
        },
        "pusher": who,
        "sender": who,
    }


def deliver(url: str, secret: str, body: bytes) -> Answer:
    """POST a delivery.

    Raises:
        LocalError: the API cannot be reached or refused it.
    """
    signature = hmac.digest(secret.encode(), body, "sha256").hex()
    headers = {
        "Content-Type": "application/json",
        "X-Gitea-Event": "push",
        "X-Gitea-Delivery": str(uuid.uuid4()),
        "X-Gitea-Signature": signature,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    try:
        reply = requests.post(f"{url}/webhook/gitea", data=body, headers=headers, timeout=_TIMEOUT)
    except requests.RequestException as error:
        raise LocalError(f"the pool's API at {url} does not answer; is `raibid up` running?") from error
    try:
        answer = msgspec.json.decode(reply.content or b"{}", type=Answer)
    except msgspec.MsgspecError as error:
        raise LocalError(f"{url} does not answer like the pool's API ({reply.status_code}): {error}") from error
    if not reply.ok:
        raise LocalError(f"the pool's API refused the push: {answer.error} ({reply.status_code}); {answer.remedy}")
    return answer


def main() -> None:
    """`python -m raibid.local.post_receive STATE_DIR`, in a bare repository, ref updates on stdin."""
    state, bare = StateDir(Path(sys.argv[1])), Path.cwd()
    name = str(bare.relative_to(state.repositories).with_suffix(""))
    try:
        card = state.card()
        if card is None:
            raise StateError("no pool runs here: the push is stored but not built; start it with `raibid up`")
        secret = read_secret(state.webhook_secret)
    except (LocalError, OSError) as error:
        sys.stdout.write(f"raibid: {error}\n")
        sys.exit(1)
    for update in ref_updates(sys.stdin):
        sys.stdout.write(f"raibid: {_told(card.url, secret, bare, name, update)} ({update.ref})\n")


def _told(url: str, secret: str, bare: Path, name: str, update: RefUpdate) -> str:
    """Deliver one update; what the pusher is told. Its refusal is no reason not to deliver the others."""
    try:
        answer = deliver(url, secret, msgspec.json.encode(payload(bare, name, update)))
    except LocalError as error:
        return str(error)  # no failure of the hook: the push itself has happened
    return f"job {answer.id}" if answer.id else f"not built: {answer.skipped}"


def _commits(bare: Path, update: RefUpdate) -> tuple[list[dict[str, Any]], int]:
    """The newest pushed commits, newest first, and how many were pushed in all."""
    if not update.after.strip("0"):
        return [], 0
    if update.before.strip("0"):
        span = [f"{update.before}..{update.after}"]
    else:  # a new branch brings what no other one has; not --all, which is HEAD, too, and so this very branch
        own = update.ref.removeprefix("refs/heads/")
        span = [update.after, "--not", f"--exclude={own}", "--branches"]
    total = int(git("rev-list", "--count", *span, at=bare))
    form = [f"-{_LISTED}", "--name-status", "--no-renames", "--diff-merges=first-parent"]
    # By NULs, which neither a message nor a name can hold: another character would let a message pose as a commit.
    fields = f"--format=%x00{'%x00'.join(_FIELDS)}%x00"
    log = git("-c", "core.quotePath=false", "log", *form, fields, *span, at=bare).split("\0")[1:]
    each = len(_FIELDS) + 1
    return [_commit(*log[at : at + each]) for at in range(0, len(log), each)], total


def _commit(sha: str, when: str, author: str, email: str, message: str, files: str) -> dict[str, Any]:
    changes: dict[str, list[str]] = {"A": [], "D": [], "M": []}
    for line in filter(None, files.split("\n")):
        kind, _, path = line.partition("\t")
        changes["D" if kind == "D" else "A" if kind == "A" else "M"].append(path)
    return {
        "id": sha,
        "message": message,
        "url": "",
        "author": {"name": author, "email": email},
        "timestamp": when,
        "added": changes["A"],
        "removed": changes["D"],
        "modified": changes["M"],
    }


if __name__ == "__main__":
    main()
