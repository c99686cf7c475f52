"""Which answers about an owner let a change pass, and what is said about the others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from raibid.gitops.change.target import refuse_controlled, refuse_direct, target_of, typed
from raibid.gitops.errors import ContestedError, NotAllowedError, NotEditableError
from raibid.gitops.objects import Ref
from raibid.gitops.owner.ownership import Claim, Owner, Ownership, Place, Tool, Verdict

WEB = Ref("apps", "Deployment", "ci", "web")
APPS = Owner(
    ref=Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "apps"), tool=Tool.FLUX, how="inventory"
)
ARGO = Owner(ref=Ref("argoproj.io", "Application", "argocd", "web"), tool=Tool.ARGOCD, how="tracking-id")
PLACE = Place(repository="https://gitea.dgx.local/raibid/fleet.git", branch="main", path="apps")
CLAIM = Claim(chain=(APPS,), edit=WEB, place=PLACE)


def owned(*claims: Claim, verdict: Verdict = Verdict.MANAGED, notes: tuple[str, ...] = ()) -> Ownership:
    return Ownership(about=WEB, verdict=verdict, claims=claims, notes=notes)


@pytest.mark.parametrize(("owner", "manager"), [(APPS, "kustomize-controller"), (ARGO, "argocd-controller")])
def test_what_one_applier_owns_is_changed_at_its_place_and_tried_as_it(owner: Owner, manager: str) -> None:
    target = target_of(owned(replace(CLAIM, chain=(owner,))))
    assert target is not None
    assert (target.place, target.manager, target.warnings) == (PLACE, manager, ())


def test_what_nobody_owns_may_be_changed_directly() -> None:
    assert target_of(owned(verdict=Verdict.UNMANAGED)) is None
    refuse_direct(owned(verdict=Verdict.UNMANAGED))


def test_what_two_own_is_refused_by_both_names() -> None:
    contested = owned(CLAIM, replace(CLAIM, chain=(ARGO,)), verdict=Verdict.CONTESTED)
    with pytest.raises(ContestedError, match="Kustomization/flux-system/apps and Application/argocd/web"):
        target_of(contested)
    with pytest.raises(ContestedError):
        refuse_direct(contested)


def test_what_nobody_can_tell_is_refused_and_says_why() -> None:
    unknown = owned(verdict=Verdict.UNKNOWN, notes=("kustomizations is forbidden",))
    for refuse in (target_of, refuse_direct):
        with pytest.raises(NotAllowedError, match="kustomizations is forbidden"):
            refuse(unknown)


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        (replace(CLAIM, place=None, note="its source is a bucket"), "its source is a bucket"),
        (replace(CLAIM, place=replace(PLACE, branch="", note="fixed to tag v1")), "fixed to tag v1"),
        (replace(CLAIM, edit=Ref("helm.toolkit.fluxcd.io", "HelmRelease", "ci", "web")), "made by HelmRelease/ci/web"),
    ],
    ids=["no Git", "no branch", "another object's"],
)
def test_what_is_described_nowhere_that_we_can_commit_to_is_a_sentence(claim: Claim, said: str) -> None:
    with pytest.raises(NotEditableError, match=said):
        target_of(owned(claim))


def test_a_direct_change_is_refused_by_the_name_of_who_would_revert_it() -> None:
    with pytest.raises(NotAllowedError, match="Kustomization/flux-system/apps, which would revert") as refused:
        refuse_direct(owned(CLAIM))
    assert refused.value.hint == "change it in Git: raibid gitops set deployment/web -n ci FIELD=VALUE"


def test_who_is_switched_off_is_a_warning() -> None:
    for owner, said in ((APPS, "is suspended"), (ARGO, "is not synced automatically")):
        target = target_of(owned(replace(CLAIM, chain=(replace(owner, suspended=True),))))
        assert target is not None
        assert said in target.warnings[0]


def test_a_kind_of_somebody_elses_is_typed_with_its_group() -> None:
    assert typed(APPS.ref) == "kustomization.kustomize.toolkit.fluxcd.io/apps -n flux-system"


@pytest.mark.parametrize(("controller", "refused"), [(True, True), (False, False), (None, False), ("true", False)])
def test_what_a_controller_keeps_is_refused_by_the_name_of_that(controller: object, refused: bool) -> None:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "controller": controller}
    metadata = {"name": "web-1", "namespace": "ci", "ownerReferences": ["junk", reference]}
    live = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata}
    if not refused:
        return refuse_controlled(live)
    with pytest.raises(NotEditableError, match="is made by Deployment/ci/web") as error:
        refuse_controlled(live)
    assert "raibid gitops set deployment/web -n ci" in error.value.hint
    return None
