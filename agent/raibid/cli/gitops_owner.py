"""`raibid gitops owner`: who owns a live object, and where that is in Git.

Owns: the question's options, the answer for people and for programs, its exit code.
Leaves to others: the answer (`raibid.gitops.owner`), the file (`raibid.gitops.document`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

from raibid.cli.output import PLAIN, Output, facts, line
from raibid.contract import ExitCode

if TYPE_CHECKING:
    from raibid.gitops.document import Document
    from raibid.gitops.owner.ownership import Claim, Owner, Ownership

_CODES: Final = {
    "managed": ExitCode.OK,
    "unmanaged": ExitCode.UNMANAGED,
    "contested": ExitCode.CONTESTED,
    "unknown": ExitCode.REFUSED,
}
_STYLES: Final = {"managed": "green", "unmanaged": "yellow", "contested": "bold red", "unknown": "yellow"}

_SHORT: Final = 12
"""Digits of a commit that people read."""

Looked = dict[int, "tuple[Document | None, tuple[str, ...]]"]
"""By the claim's number, what its repository has."""


def owner(
    about: str,
    /,
    *,
    namespace: Annotated[str, Parameter(name=["--namespace", "-n"])] = "default",
    context: str = "",
    file: Annotated[bool, Parameter(negative="--no-file")] = True,
    output: Output = PLAIN,
) -> int:
    """Show who applies an object from Git, and the repository, branch, path and file to change it in.

    Exit code 0: one owner; 8: nobody; 9: several; 6: we may not see what would tell; 7: no such object.

    For example:
      raibid gitops owner deployment/raibid-api -n ci
      raibid gitops owner clusterrole/reader --no-file --json

    Parameters
    ----------
    about
        KIND/NAME, as kubectl takes it: deploy/web, deployments.apps/web.
    namespace
        Its namespace; for kinds that have one.
    context
        A context of KUBECONFIG, other than its current one.
    file
        Clone the branch, if its host is allowed, and find the file. --no-file: ask only the cluster.
    """
    from raibid.cli.gitops_access import cluster, told
    from raibid.gitops.kinds import referred
    from raibid.gitops.owner.find import find

    with told(), cluster(context) as connected:
        ref = referred(about, namespace, connected.kinds())
        found = find(connected, ref)
        looked = _looked(connected, found, output) if file else {}
    if output.json:
        output.emit(_as_data(found, looked))
    else:
        _tell(found, looked)
    return _CODES[found.verdict]


def _looked(connected: Any, found: Ownership, output: Output) -> Looked:
    from raibid.cli.gitops_access import credentials, settings
    from raibid.git.cli import Git
    from raibid.gitops.document import document_of

    operators, git = settings(), Git(credentials=credentials())
    for claim in found.claims:
        if claim.place:
            output.say(f"looking into {claim.place.repository}")
    return {number: document_of(connected, claim, operators, git) for number, claim in enumerate(found.claims)}


def _as_data(found: Ownership, looked: Looked) -> dict[str, Any]:
    return {
        "about": found.about,
        "verdict": found.verdict,
        "claims": [
            {
                "chain": claim.chain,
                "edit": claim.edit,
                "place": claim.place,
                "others": claim.others,
                "file": looked[number][0] if number in looked else None,
                "note": claim.note,
            }
            for number, claim in enumerate(found.claims)
        ],
        "notes": [*found.notes, *(note for _, notes in looked.values() for note in notes)],
    }


def _tell(found: Ownership, looked: Looked) -> None:
    line(f"{found.about} is {found.verdict}", _STYLES[found.verdict])
    for number, claim in enumerate(found.claims):
        if len(found.claims) > 1:
            line("")
        for depth, one in enumerate(claim.chain):
            line(f"{'   ' * depth}└─ {_in_words(one)}")
        document, notes = looked.get(number, (None, ()))
        facts([*_of_claim(claim, document), *(("note", note) for note in notes)])
    facts(("note", note) for note in found.notes)


def _of_claim(claim: Claim, document: Document | None) -> list[tuple[str, str]]:
    place = document.place if document else claim.place
    location = document.location if document else None
    file = f"{location.file}, document {location.index + 1}" if location else ""
    through = " → ".join(step or "." for step in location.chain) if location else ""
    return [
        ("edit", str(claim.edit)),
        ("repository", place.repository if place else ""),
        ("branch", place.branch if place else ""),
        ("path", (place.path or ".") if place else ""),
        ("file", file),
        ("through", through),
        ("fetched", place.revision if place else ""),
        *(("also", f"{other.path or '.'} of {other.repository}") for other in claim.others if other != place),
        ("note", claim.note),
        ("note", place.note if place else ""),
        *(("note", note) for note in (location.notes if location else ())),
    ]


def _in_words(one: Owner) -> str:
    from raibid.gitops.revisions import sha_of

    applied = f", applied {sha_of(one.applied)[:_SHORT] or one.applied}" if one.applied else ""
    return f"{one.ref} by {one.how}{applied}{', suspended' if one.suspended else ''}"
