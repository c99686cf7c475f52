"""Where a change of a live object belongs: into its owner's repository, into the cluster directly, or nowhere. Pure.

Owns: which answers about the owner let a change pass, and what is said about the others.
Leaves to others: finding the owner (`raibid.gitops.owner`), the change (`operation.py`, `direct.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from raibid.gitops.errors import ContestedError, NotAllowedError, NotEditableError
from raibid.gitops.objects import Manifest, Ref, mappings, metadata_of, owners_of, ref_of
from raibid.gitops.owner.ownership import Claim, Owner, Ownership, Place, Tool, Verdict

_MANAGERS = {Tool.FLUX: "kustomize-controller", Tool.ARGOCD: "argocd-controller"}


@dataclass(frozen=True, kw_only=True)
class Target:
    """What to edit, and where."""

    claim: Claim
    place: Place
    warnings: tuple[str, ...] = ()

    @property
    def manager(self) -> str:
        """The field manager as which the applier applies it."""
        tool = self.claim.chain[-1].tool
        return _MANAGERS[tool] if tool else ""


def target_of(ownership: Ownership) -> Target | None:
    """The place of the change. None: nobody owns the object, so that it may be changed directly.

    Raises:
        ContestedError: several own it. NotAllowedError: nobody knows. NotEditableError: its description is in no
        branch of Git, or is another object's.
    """
    about = ownership.about
    match ownership.verdict:
        case Verdict.UNMANAGED:
            return None
        case Verdict.UNKNOWN:
            why = "; ".join(ownership.notes)
            raise NotAllowedError(f"nobody can tell who owns {about}: {why}", "a Role that lets us see it would help")
        case Verdict.CONTESTED:
            both = " and ".join(str(claim.chain[-1].ref) for claim in ownership.claims)
            raise ContestedError(f"{both} both apply {about} and undo each other", "let one of them leave it alone")
    claim = ownership.claims[0]
    target = target_at(claim)
    if claim.edit != about:
        hint = f"change that one: raibid gitops set {typed(claim.edit)} FIELD=VALUE"
        raise NotEditableError(f"{about} is made by {claim.edit}", hint)
    return target


def target_at(claim: Claim) -> Target:
    """The place of a claim, and what to know before one commits to it.

    Raises:
        NotEditableError: it is in no branch of Git.
    """
    place = claim.place
    if place is None:
        raise NotEditableError(f"{claim.edit} is described in no Git repository: {claim.note or 'nobody says where'}")
    if not place.branch:
        raise NotEditableError(f"{place.repository}: no branch to commit to: {place.note or claim.note}")
    warnings = [*(_switched_off(owner) for owner in claim.chain if owner.suspended), claim.note, place.note]
    return Target(claim=claim, place=place, warnings=tuple(warning for warning in warnings if warning))


def refuse_direct(ownership: Ownership) -> None:
    """Only what nobody owns is changed directly.

    Raises:
        NotAllowedError: somebody does, or nobody knows. ContestedError: several do.
    """
    if ownership.verdict is Verdict.UNMANAGED:
        return
    if not ownership.claims or ownership.verdict is Verdict.CONTESTED:
        target_of(ownership)
    owners = " and ".join(str(claim.chain[-1].ref) for claim in ownership.claims)
    edit = ownership.claims[0].edit
    raise NotAllowedError(
        f"{ownership.about} is applied from Git by {owners}, which would revert a direct change",
        f"change it in Git: raibid gitops set {typed(edit)} FIELD=VALUE",
    )


def refuse_controlled(live: Manifest) -> None:
    """What a controller keeps is changed in vain: it makes the object again as its own says.

    Raises:
        NotEditableError: an ownerReference names a controller; that one is to be changed.
    """
    references = mappings(metadata_of(live).get("ownerReferences"))
    if any(item.get("controller") is True for item in references):
        controller = owners_of(live)[0]  # it comes first
        hint = f"change that one: raibid gitops set {typed(controller)} FIELD=VALUE"
        raise NotEditableError(f"{ref_of(live)} is made by {controller}, which makes it again", hint)


def typed(ref: Ref) -> str:
    """As the command line takes an object: KIND/NAME -n NAMESPACE."""
    kind = f"{ref.kind.lower()}.{ref.group}" if "." in ref.group else ref.kind.lower()
    return f"{kind}/{ref.name}{f' -n {ref.namespace}' if ref.namespace else ''}"


def _switched_off(owner: Owner) -> str:
    if owner.tool is Tool.ARGOCD:
        return f"{owner.ref} is not synced automatically: the commit waits until somebody syncs it"
    return f"{owner.ref} is suspended: the commit is applied when it is resumed"
