"""What a Kustomization depends on in Git beside the files of its path: its own manifest, its variables, its keys.

Owns: which objects these are; whether a range of commits changed one of them.
Leaves to others: the files of the path (`closure.py`), what follows from it (`decide.py`).

A revert of the path's files brings none of them back. `spec.path` itself is among them: where a commit moved it, the
files of the new path are all new, and their revert would delete what `spec.path` still names.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from raibid.gitops.change.checkout import Checkout
from raibid.gitops.objects import Manifest, Ref, mapping, mappings, ref_of, spec_of, text
from raibid.gitops.rollback.closure import clean
from raibid.gitops.rollback.commits import touching
from raibid.gitops.rollback.tree import Tree, documents

_MANIFESTS: Final = (".yaml", ".yml", ".json", "Kustomization")
_SHOWN: Final = 12
_TOLD: Final = 3
"""Commits and files that are named."""
_GENERATED: Final = {"configMapGenerator": "ConfigMap", "secretGenerator": "Secret"}


def inputs_of(kustomization: Manifest) -> tuple[Ref, ...]:
    """The objects that a Kustomization of Flux is built by, itself first."""
    own, spec = ref_of(kustomization), spec_of(kustomization)
    variables = [
        (text(item.get("kind")), text(item.get("name")))
        for item in mappings(mapping(spec.get("postBuild")).get("substituteFrom"))
    ]
    secrets = [
        ("Secret", text(mapping(mapping(spec.get(field)).get("secretRef")).get("name")))
        for field in ("decryption", "kubeConfig")
    ]
    named = dict.fromkeys((kind, name) for kind, name in [*variables, *secrets] if kind and name)
    return (own, *(Ref("", kind, own.namespace, name) for kind, name in named))


def changed_outside(
    checkout: Checkout, before: Tree, after: Tree, paths: Sequence[str], inputs: Sequence[Ref], reached: Collection[str]
) -> tuple[str, ...]:
    """What else changed between two commits; `reached`: the files that a revert of the path brings back."""
    path = clean(paths[0]) if paths else ""
    if path not in before.files and not before.is_directory(path):
        return (f"{path} is not there at the good commit: another path was read",)
    if not inputs:
        return ()
    different = before.differs(after, before.files.keys() | after.files.keys()) - frozenset(reached)
    names = {ref.name for ref in inputs}
    naming = before.holding(names) | after.holding(names)
    files = sorted(file for file in different & naming if file.endswith(_MANIFESTS))
    old, new = _described(before, files, inputs), _described(after, files, inputs)
    told = []
    for ref in inputs:
        # By what is said and not by where: a document that only moved to another file is the same.
        if sorted(said for _, said in old[ref]) != sorted(said for _, said in new[ref]):
            places = sorted({file for file, _ in (*old[ref], *new[ref])})
            commits = touching(checkout, before.commit, after.commit, places)
            by = " and ".join(commit.sha[:_SHOWN] for commit in commits[:_TOLD])
            told.append(f"{ref} was changed by {by} ({', '.join(places[:_TOLD])}), and not below {path or 'the path'}")
    return tuple(told)


def _described(tree: Tree, files: Sequence[str], inputs: Sequence[Ref]) -> dict[Ref, list[tuple[str, str]]]:
    """What each of the objects is said to be, with the file that says so."""
    found: dict[Ref, list[tuple[str, str]]] = {ref: [] for ref in inputs}
    for file in files:
        content = tree.text(file)
        named = [ref for ref in inputs if ref.name in content]
        for ref, said in _said(content, named) if named else ():
            found[ref].append((file, said))
    return found


def _said(content: str, named: Sequence[Ref]) -> Iterator[tuple[Ref, str]]:
    read = documents(content)
    if read is None:  # nobody knows what it describes: then it may be this
        yield from ((ref, content) for ref in named)
    for document in read or ():
        for manifest in (mapping(document), *_generated(mapping(document))):
            for ref in named:
                if ref_of(manifest, namespace=ref.namespace) == ref:
                    yield ref, json.dumps(manifest, sort_keys=True, default=str)


def _generated(kustomization: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for field, kind in _GENERATED.items():
        for item in mappings(kustomization.get(field)):
            names = {key: item[key] for key in ("name", "namespace") if key in item}
            yield {"kind": kind, "metadata": names, "generator": item}
