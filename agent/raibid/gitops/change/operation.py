"""One change in Git from end to end: clone, edit, show, and then land it.

    with Change.begin([place], lambda place: edits, asked, settings=settings, credentials=file) as change:
        print(change.diff)
        landed = change.land(settings.policy)

Owns: the temporary clone, the order, the commit's and the pull request's words.
Leaves to others: each step; trying it on the API server (`trial.py`); what becomes of it (`raibid.gitops.watch`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from raibid.gitops.change import trailers
from raibid.gitops.change.checkout import Checkout
from raibid.gitops.change.fence import git_for
from raibid.gitops.change.landing import Landed
from raibid.gitops.change.message import message
from raibid.gitops.change.policy import deliver
from raibid.gitops.change.pull_request import Proposal, branch_for
from raibid.gitops.errors import NoFileError
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
    fields: tuple[str, ...]
    """They name the branch of a pull request."""
    by: str
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclass
class Change:
    """A change in a clone; `diff` is empty if all is as wished already."""

    checkout: Checkout
    asked: Asked
    edits: Edits
    credentials: Path | None
    diff: str = ""
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @classmethod
    @contextmanager
    def begin(
        cls,
        places: Sequence[Place],
        edits: Callable[[Place], Edits],
        asked: Asked,
        *,
        settings: GitopsSettings,
        credentials: Path | None,
    ) -> Iterator[Change]:
        """Clone and edit; nothing is committed. The first of the places that has the file.

        Raises:
            NotAllowedError: its host is not on the list. NoRepositoryError, GitError; and what the edits raise.
        """
        with ExitStack() as stack:
            for place in places:
                begun = cls._begun(place, edits(place), asked, settings=settings, credentials=credentials)
                try:
                    change = stack.enter_context(begun)
                except NoFileError:
                    if place == places[-1]:
                        raise
                else:
                    break
            yield change

    @classmethod
    @contextmanager
    def _begun(
        cls, place: Place, edits: Edits, asked: Asked, *, settings: GitopsSettings, credentials: Path | None
    ) -> Iterator[Change]:
        reachable = settings.reachable(place.repository)
        with tempfile.TemporaryDirectory(prefix="raibid-gitops-") as directory:
            git = git_for(settings, credentials)
            checkout = Checkout.open(reachable, place.branch, Path(directory) / "work", git)
            change = cls(checkout, asked, edits, credentials)
            made = change._edit(checkout)
            change.diff = checkout.diff()
            change.notes = tuple(dict.fromkeys(note for edit in made for note in edit.notes))
            change.files = tuple(dict.fromkeys(path for edit in made for path in edit.files))
            yield change

    def land(self, policy: Policy) -> Landed | None:
        """Commit and push, or propose, on the branch's newest state. None: somebody has just done the same.

        Raises:
            PushRacedError, PushRefusedError, NotAllowedError, CallError, GitError.
        """
        return deliver(
            self.checkout, self._make, policy=policy, proposal=self._proposal(), credentials=self.credentials
        )

    def _edit(self, checkout: Checkout) -> list[Edit]:
        made = []
        for edit in self.edits(checkout.at):
            checkout.write(edit.files)
            made.append(edit)
        return made

    def _make(self, checkout: Checkout) -> str | None:
        self._edit(checkout)
        return checkout.commit(self.message())

    def message(self) -> str:
        """The commit's message."""
        asked = self.asked
        said = {
            trailers.OBJECT: [str(ref) for ref in asked.about],
            trailers.REASON: asked.reason,
            trailers.BY: asked.by,
        }
        return message(asked.subject, "", said)

    def _proposal(self) -> Proposal:
        asked = self.asked
        return Proposal(
            branch=branch_for(asked.about[0], asked.fields), title=asked.subject, body=_body(asked, self.notes)
        )


def _body(asked: Asked, notes: Sequence[str]) -> str:
    objects = ", ".join(f"`{ref}`" for ref in asked.about)
    parts = [
        f"{asked.subject}, asked by {asked.by} with `raibid gitops`.",
        f"**Why:** {asked.reason}" if asked.reason else "",
        f"**Objects:** {objects}",
        "\n".join(f"- {note}" for note in notes),
        "\n".join(f"> **Warning:** {warning}" for warning in asked.warnings),
        "A change of the live objects by hand would be reverted by their applier: merge this instead.",
    ]
    return "\n\n".join(part for part in parts if part)
