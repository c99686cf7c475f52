"""One change in Git from end to end: clone, edit, show, and then land it.

    with Change.begin(place, edits, asked, settings=settings, credentials=file) as change:
        print(change.diff)
        landed = change.land(settings.policy)

Owns: the temporary clone, the order, the commit's and the pull request's words.
Leaves to others: each step; trying it on the API server (`trial.py`); what becomes of it (`raibid.gitops.watch`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from raibid.gitops.change import trailers
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.fence import git_for
from raibid.gitops.change.landing import Landed
from raibid.gitops.change.message import message, one_line
from raibid.gitops.change.policy import deliver
from raibid.gitops.change.pull_request import Proposal, branch_for
from raibid.gitops.errors import NotAllowedError
from raibid.gitops.files.documents import Edit
from raibid.gitops.objects import Ref
from raibid.gitops.owner.ownership import Place
from raibid.gitops.settings import GitopsSettings, Policy

Edits = Callable[[Path], Iterator[Edit]]
"""Changes files below a checkout: each edit is written before the next one is asked for."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be done, for whom and why: the words of the commit."""

    about: tuple[Ref, ...]
    subject: str
    discreet: str
    """The same without values, for a change that writes one of a Secret."""
    fields: tuple[str, ...]
    """They name the branch of a pull request."""
    by: str
    reason: str = ""
    warnings: tuple[str, ...] = ()
    branch: str = ""
    """The one that was asked for; empty: whichever the applier reads."""


@dataclass
class Change:
    """A change in a clone; `diff` is empty if all is as wished already."""

    checkout: Checkout
    asked: Asked
    edits: Edits
    credentials: Path | None
    diff: str = ""
    """As it may be shown: without values of Secrets."""
    made: tuple[Edit, ...] = ()

    @classmethod
    @contextmanager
    def begin(
        cls, place: Place, edits: Edits, asked: Asked, *, settings: GitopsSettings, credentials: Path | None
    ) -> Iterator[Change]:
        """Clone and edit; nothing is committed.

        Raises:
            NotAllowedError: its host is not on the list, or another branch was asked for than the applier reads.
            NoRepositoryError, GitError; and what the edits raise.
        """
        reachable = settings.reachable(place.repository)
        with tempfile.TemporaryDirectory(prefix="raibid-gitops-") as directory:
            git = git_for(settings, credentials)
            checkout = Checkout.open(reachable, place.branch, Path(directory) / "work", git)
            if asked.branch not in ("", checkout.branch):
                raise NotAllowedError(
                    f"{asked.branch} was asked for, and {checkout.branch} of {place.repository} is applied"
                )
            change = cls(checkout, asked, edits, credentials)
            change._edit()
            change.diff = checkout.diff(clear=change.clear)
            yield change

    @property
    def notes(self) -> tuple[str, ...]:
        """What was set where, and why there."""
        open_ones = [f"{path} is not encrypted: the value is in Git in clear" for path in sorted(self.clear)]
        return tuple(dict.fromkeys([*(note for edit in self.made for note in edit.notes), *open_ones]))

    @property
    def clear(self) -> frozenset[str]:
        """Files that are a Secret's."""
        return frozenset(path for edit in self.made for path in edit.clear)

    @property
    def secret(self) -> bool:
        """Whether a value of a Secret is among what was written: no message states any."""
        return any(edit.secret for edit in self.made)

    @property
    def through(self) -> tuple[Ref, ...]:
        """The ConfigMaps and Secrets whose variables were set."""
        return tuple(dict.fromkeys(ref for edit in self.made for ref in edit.through))

    @property
    def subject(self) -> str:
        """The commit's first line."""
        return self.asked.discreet if self.secret else self.asked.subject

    def land(self, policy: Policy) -> Landed | None:
        """Commit and push, or propose, on the branch's newest state. None: somebody has just done the same.

        Raises:
            PushRacedError, PushRefusedError, NotAllowedError, CallError, GitError.
        """
        return deliver(
            self.checkout, self._make, policy=policy, proposal=self._proposal(), credentials=self.credentials
        )

    def _edit(self) -> None:
        made = []
        for edit in self.edits(self.checkout.at):
            self.checkout.write(edit.files)
            made.append(edit)
        self.made = tuple(made)

    def _make(self, checkout: Checkout) -> str | None:
        self._edit()
        return checkout.commit(self.message())

    def message(self) -> str:
        """The commit's message."""
        asked = self.asked
        said = {
            trailers.OBJECT: [str(ref) for ref in asked.about],
            trailers.REASON: asked.reason,
            trailers.BY: asked.by,
        }
        return message(self.subject, "", said)

    def _proposal(self) -> Proposal:
        asked = self.asked
        return Proposal(
            branch=branch_for(asked.about[0], asked.fields),
            title=self.subject,
            body=self._body(),
            clear=self.clear,
        )

    def _body(self) -> str:
        asked = self.asked
        objects = ", ".join(f"`{ref}`" for ref in asked.about)
        parts = [
            f"{one_line(self.subject)}, asked by {asked.by} with `raibid gitops`.",
            f"**Why:** {asked.reason}" if asked.reason else "",
            f"**Objects:** {objects}",
            "\n".join(f"- {note}" for note in self.notes),
            "\n".join(f"> **Warning:** {warning}" for warning in asked.warnings),
            "A change of the live objects by hand would be reverted by their applier: merge this instead.",
        ]
        return "\n\n".join(part for part in parts if part)
