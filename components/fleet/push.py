"""The tree on its way into Git: one commit on top of whatever is there, or none at all.

Owns: the order of steps, trying again when somebody else was faster, the trace of the last push (`refs/raibid/<env>`).
Leaves to others: what changes (`fleet.plan`), git itself (`fleet.git`), who asks (`flux_repo`, `commands.push`).

The last push leaves its commit under `refs/raibid/<env>` in the same repository. A branch that does not contain that
commit any more was rewritten by somebody, and is not built upon unasked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from components.fleet.errors import HistoryError, MovedError
from components.fleet.git import Remote
from components.fleet.plan import Plan, Snapshot, paths_of_interest, plan, read_records, record_paths
from components.fleet.request import PushRequest, PushResult, check

ATTEMPTS: Final = 5
"""How often somebody else may be faster; each time all is decided anew."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def push(request: PushRequest, *, clock: Callable[[], datetime] = _utc_now) -> PushResult:
    """Bring the emission into the repository; when it fails, the repository is as it was.

    With one exception: on top of a rewritten history the trace is made anew by a push of its own. Stopped right before
    it, the emission is on the branch without a trace, and the next push makes that one good.

    Raises:
        FleetError: why not, and what to do.
    """
    check(request)
    with tempfile.TemporaryDirectory(prefix="raibid-push-") as scratch:
        remote = Remote(Path(scratch), request.url, request.username, request.password)
        for _ in range(ATTEMPTS):
            result = _attempt(request, remote, clock())
            if result is not None:
                return result
    raise MovedError(
        f"{request.url}: {ATTEMPTS} times in a row the remote did not move its refs: {remote.refusal}",
        "if others push, run it again when they are done; else git's words say what the remote lacks",
    )


def _attempt(request: PushRequest, remote: Remote, now: datetime) -> PushResult | None:
    """One try on what the remote has now; None when it had moved on by the end."""
    branch, trace = f"refs/heads/{request.branch}", f"refs/raibid/{request.environment}"
    tips = remote.fetch(branch, trace)
    head, last = tips.get(branch), tips.get(trace)
    rewritten = last is not None and (head is None or not remote.descends(head, last))
    if rewritten and not request.overwrite:
        raise HistoryError(
            f"{request.url}: branch {request.branch} does not contain {last}, which the last `up` pushed: "
            "its history was rewritten, or the branch was replaced",
            "bring that commit back (it is kept as "
            f"{trace}), or set fleet.overwrite to true for one `up` to build on the branch as it is",
        )
    change = plan(request, _snapshot(request, remote, head), now=now)
    commit = head
    if change.writes or change.deletes:
        commit = remote.commit(head, change.writes, change.deletes, _message(request, change), now)
    if commit and not _publish(remote, commit, tips, branch, trace, rewritten=rewritten):
        return None
    return PushResult(
        revision=commit or "",
        branch=request.branch,
        pushed=commit != head,
        written=tuple(change.writes),
        deleted=change.deletes,
        missing=change.missing,
        notices=change.notices,
    )


def _publish(remote: Remote, commit: str, tips: Mapping[str, str], branch: str, trace: str, *, rewritten: bool) -> bool:
    """The commit on the branch, and the trace of it, together; False when somebody else was faster."""
    move = [f"{commit}:{branch}"] if commit != tips.get(branch) else []
    if rewritten:
        # The trace cannot go forward to a history that it is not in, and force is never used: it starts anew.
        return remote.push(*move, f":{trace}") and remote.push(f"{commit}:{trace}")
    if not move and trace in tips:
        return True
    return remote.push(*move, f"{commit}:{trace}")


def _snapshot(request: PushRequest, remote: Remote, head: str | None) -> Snapshot:
    if head is None:
        return Snapshot()
    tree = remote.tree(head)
    modes = {path: mode for path, (mode, _) in tree.items()}

    def read(paths: list[str]) -> dict[str, bytes]:
        return dict(zip(paths, remote.read(tree[path][1] for path in paths), strict=True))

    records = read_records(read(record_paths(modes)))
    return Snapshot(modes, read(paths_of_interest(request, modes, records)))


def _message(request: PushRequest, change: Plan) -> str:
    deleted = f", {len(change.deletes)} deleted" if change.deletes else ""
    subject = request.message or f"Emit {request.stack}: {len(change.writes)} files written{deleted}"
    return (
        f"{subject}\n\n"
        f"Raibid-Stack: {request.stack}\nRaibid-Digest: {request.digest}\nRaibid-Version: {request.version}\n"
    )
