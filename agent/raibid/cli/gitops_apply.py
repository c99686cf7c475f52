"""`raibid gitops apply`: new manifests, into Git where somebody picks them up, or directly where nobody does.

Owns: the command's options, reading files, which manifests may be applied directly.
Leaves to others: the commit (`gitops_commit.py`), where they go (`raibid.gitops.change.placing`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from raibid.cli.errors import CliError
from raibid.cli.gitops_change import HOW, How, by, live_of
from raibid.cli.gitops_show import must_be_able_to_ask
from raibid.cli.output import PLAIN, Output
from raibid.contract import ExitCode

if TYPE_CHECKING:
    from raibid.gitops.change.placing import Destination
    from raibid.gitops.cluster import Cluster
    from raibid.gitops.objects import Manifest, Ref
    from raibid.gitops.settings import GitopsSettings


def apply(
    *,
    file: Annotated[tuple[str, ...], Parameter(name=["--file", "-f"], negative=(), allow_leading_hyphen=True)],
    repository: str = "",
    branch: str = "",
    path: str = "",
    how: How = HOW,
    output: Output = PLAIN,
) -> int:
    """Add manifests to the repository and directory from which they are applied, and follow them into the cluster.

    With `provider: none` in the settings they are applied directly, unless somebody applies them from Git already.

    For example:
      raibid gitops apply -f web.yaml --path apps/dgx-spark/web
      kubectl create deployment web --image=web:1 --dry-run=client -o yaml | raibid gitops apply -f - --yes

    Parameters
    ----------
    file
        A file of manifests, or - for stdin; may be given several times.
    repository
        Clone URL; else `default` of the settings.
    branch
        Its branch; else `default` of the settings, or the one from which that directory is applied.
    path
        Directory in it; else `default` of the settings.
    """
    from raibid.cli.gitops_access import cluster, settings, told
    from raibid.gitops.change.adding import manifests_in
    from raibid.gitops.change.placing import destination
    from raibid.gitops.settings import Provider

    must_be_able_to_ask(output, yes=how.yes, dry_run=how.dry_run)
    with told(), cluster(how.context) as connected:
        manifests = [item for name in file for item in manifests_in(_text(name), name)]
        operators = settings()
        if operators.provider is Provider.NONE:
            return _directly(connected, manifests, how, output)
        where = destination(operators, repository, branch, path)
        return _in_git(connected, manifests, where, operators, how, output)


def _in_git(
    connected: Cluster, manifests: Sequence[dict[str, Any]], where: Destination, operators: GitopsSettings, how: How,
    output: Output,
) -> int:  # fmt: skip
    from raibid.cli.gitops_commit import InGit, committed
    from raibid.gitops.change.adding import adding, tried_all
    from raibid.gitops.change.operation import Asked
    from raibid.gitops.change.placing import ANY_BRANCH, applier_of, refuse_others_objects
    from raibid.gitops.change.target import target_at
    from raibid.gitops.owner.additions import additions

    claim = applier_of(connected, where, operators)
    target = target_at(claim)
    spec = additions(connected, claim, target.place)
    refs = [_placed(connected, item, spec) for item in manifests]
    refuse_others_objects(connected, refs, claim)
    subject = f"Add {refs[0]}" if len(refs) == 1 else f"Add {len(refs)} objects to {where.path or 'the root'}"
    asked = Asked(
        about=tuple(refs),
        subject=subject,
        discreet=subject,
        fields=("new", *(str(ref) for ref in refs)),
        by=by(),
        reason=how.reason,
        warnings=target.warnings,
        branch="" if where.branch == ANY_BRANCH else where.branch,
    )
    whole = [_within(item, ref) for item, ref in zip(manifests, refs, strict=True)]
    change = InGit(
        place=target.place,
        edits=adding(where.path, target.place, manifests, spec),
        asked=asked,
        claims=tuple(replace(claim, edit=ref) for ref in refs),
        trial=lambda: tried_all(connected, whole, target.manager),
    )
    return committed(connected, change, how, output)


def _directly(connected: Cluster, manifests: Sequence[dict[str, Any]], how: How, output: Output) -> int:
    from raibid.cli.gitops_direct import directly
    from raibid.gitops.change.direct import direct_manifest
    from raibid.gitops.change.target import refuse_controlled, refuse_direct
    from raibid.gitops.owner.find import find

    changes = []
    for item in manifests:
        ref = _placed(connected, item, None)
        live = live_of(connected, ref)
        if live is not None:
            refuse_direct(find(connected, ref))
            refuse_controlled(live)
        changes.append(direct_manifest(connected, ref, live, _within(item, ref)))
    return directly(changes, how, output)


def _placed(connected: Cluster, manifest: Manifest, spec: Manifest | None) -> Ref:
    from raibid.gitops.change.placing import ref_in
    from raibid.gitops.objects import mapping, text

    return ref_in(connected, manifest, namespace=text(mapping(spec).get("targetNamespace")) or "default")


def _within(manifest: Manifest, ref: Ref) -> dict[str, Any]:
    """The manifest with the namespace that it gets."""
    metadata = {**manifest["metadata"], **({"namespace": ref.namespace} if ref.namespace else {})}
    return {**manifest, "metadata": metadata}


def _text(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise CliError(f"{name}: {error.strerror}", code=ExitCode.NOT_FOUND) from error
    except UnicodeDecodeError as error:
        raise CliError(f"{name}: not UTF-8") from error
