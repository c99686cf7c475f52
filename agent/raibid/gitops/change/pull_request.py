"""A commit on a branch of its own, and the pull request that brings it.

Owns: the branch's name, which is the same for the same change; that nobody else's commits are overwritten there; the
text.
Leaves to others: whether a pull request is wanted (`policy.py`), the forge (`forge_at.py`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from raibid.forge import pulls
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.forge_at import ForgeAt, page_of
from raibid.gitops.change.landing import Landed, Make
from raibid.gitops.change.message import one_line, trailers_of
from raibid.gitops.change.trailers import BY, OBJECT
from raibid.gitops.errors import NotAllowedError
from raibid.gitops.objects import Ref

PREFIX: Final = "raibid/"
"""Branches that are ours to push by force."""
_LONGEST_NAME: Final = 80
_LONGEST_DIFF: Final = 50_000
"""GitHub takes 65,536 characters of text."""
_FENCE: Final = re.compile(r"`{3,}")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a pull request says, without the diff."""

    branch: str
    """Ours: it begins with `raibid/`."""
    title: str
    body: str
    clear: frozenset[str] = frozenset()
    """Files that are a Secret's as a whole: nothing of them is in the text."""
    once: bool = False
    """A pull request that somebody closed is the answer: nobody is asked a second time."""


def branch_for(about: Ref, fields: Sequence[str]) -> str:
    """The branch of a change: readable, and the same for the same fields of the same object, whatever their values."""
    said = "-".join([about.kind, about.name, *fields]).lower()
    slug = re.sub(r"[^a-z0-9]+", "-", said).strip("-")[:_LONGEST_NAME].strip("-")
    # Two objects, or fields, may read alike once they are a branch's name.
    digest = hashlib.sha256("\0".join([about.group, about.namespace, about.kind, about.name, *fields]).encode())
    return f"{PREFIX}{slug}-{digest.hexdigest()[:6]}"


def propose(checkout: Checkout, make: Make, proposal: Proposal, forge: ForgeAt | None) -> Landed | None:
    """Push the commit to its branch, and open a pull request or rewrite the one that is open.

    None: there is nothing to change. Of a forge whose API we do not speak, `url` is its page and `pull` 0. What is
    proposed once and was declined stays so.

    Raises:
        NotAllowedError: somebody else pushed to that branch. PushRacedError, PushRefusedError, CallError, GitError.
    """
    if not proposal.branch.startswith(PREFIX):
        raise NotAllowedError(f"{proposal.branch} is no branch of ours")
    base = checkout.refresh()
    sha = make(checkout)
    if sha is None:
        return None
    if proposal.once and forge is not None:
        about = {"head": proposal.branch, "base": checkout.branch}
        if declined := pulls.declined(forge.pulls, forge.repository, **about):
            return Landed(sha, proposal.branch, declined.number, declined.html_url, declined=True)
    diff = checkout.difference(base, sha, clear=proposal.clear)
    before = checkout.newest_of(proposal.branch)
    if before and _is_ours(checkout, proposal.branch, before, base) and _same(checkout, before, sha):
        sha = before
    else:
        checkout.push(proposal.branch, instead_of=before)
    if forge is None:
        return Landed(sha, proposal.branch, url=page_of(checkout.url))
    said = {"title": one_line(proposal.title), "body": text(proposal.body, checkout.branch, base, diff)}
    pull = pulls.propose(forge.pulls, forge.repository, head=proposal.branch, base=checkout.branch, **said)
    return Landed(sha, proposal.branch, pull.number, pull.html_url)


def text(body: str, branch: str, base: str, diff: str) -> str:
    """The pull request's text: what was said, on top of which commit, the diff."""
    shown = diff if len(diff) <= _LONGEST_DIFF else f"{diff[:_LONGEST_DIFF]}\n… (cut; the pull request has all of it)"
    longest = max((len(run) for run in _FENCE.findall(shown)), default=2)
    fence = "`" * (longest + 1)
    return f"{body.rstrip()}\n\nOn top of {base} of `{branch}`.\n\n{fence}diff\n{shown.rstrip()}\n{fence}\n"


def _is_ours(checkout: Checkout, branch: str, commit: str, base: str) -> bool:
    """One commit of ours on top of the base, and nothing else.

    Raises:
        NotAllowedError: there is something of somebody else's, and we would overwrite it.
    """
    checkout.fetch(branch)
    who, parents, said = checkout.git("log", "-1", "--format=%ce%x00%P%x00%B", commit).split("\0")
    # A person's settings may give our commits their own address: it tells nothing alone.
    known = who == checkout.runner.settings.get("user.email") and {OBJECT, BY} <= trailers_of(said).keys()
    if not (known and checkout.contains(parents, base)):
        raise NotAllowedError(
            f"{who or 'somebody else'} pushed to {branch}, which is a branch of ours",
            "merge or close its pull request and delete the branch, then try again",
        )
    return True


def _same(checkout: Checkout, one: str, other: str) -> bool:
    trees = checkout.git("rev-parse", f"{one}^{{tree}}", f"{other}^{{tree}}").split()
    return trees[0] == trees[1]
