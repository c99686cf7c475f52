"""Whole objects: a new one in a file of its own, one that is there made into another.

Owns: names of new files, kustomization.yaml's list, what does not belong into Git.
Leaves to others: changes of single values (`edit.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from raibid.gitops.errors import NotAllowedError, NotDescribedError, NotEditableError
from raibid.gitops.files.documents import Document, Draft, Edit, one_document
from raibid.gitops.files.edit import Editing, finished
from raibid.gitops.files.layers import directory_layer
from raibid.gitops.files.patches import Place
from raibid.gitops.files.sealed import is_encrypted
from raibid.gitops.files.splices import with_item
from raibid.gitops.files.writing import Manner, in_block
from raibid.gitops.objects import Ref, mapping, metadata_of, ref_of

_KIND: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?")
_SERVER: Final = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")


def add_manifests(root: Path, directory: str, manifests: Sequence[Mapping[str, Any]]) -> Edit:
    """Put objects into a directory: each in a file of its own, or where the directory describes it already.

    Raises:
        NotAllowedError: a name that is none, a Secret that is not encrypted, a directory outside of the repository.
        NotEditableError: an object that is there already cannot become what is asked.
    """
    draft, notes = Draft(root), list[str]()
    place = draft.path(directory)
    for manifest in manifests:
        notes += _put(draft, place, _clean(manifest), [_ref(item) for item in manifests])
    return finished(draft, notes)


def _put(draft: Draft, directory: str, manifest: dict[str, Any], all_new: Sequence[Ref]) -> list[str]:
    ref, encrypted = _ref(manifest), is_encrypted(manifest)
    text = "---\n" + in_block(manifest, Manner(), -2).removeprefix("\n") + "\n"
    there = _there(draft, directory, ref)
    if there is not None:
        file = there.built.origin.source.file if isinstance(there.built.origin.source, Document) else ""
        if not encrypted or not draft.is_sealed(file):
            return there.become(manifest)
        # Each of its values is sealed with the file's own key: only all of them together can be opened.
        one_document(draft, file)
        draft.replace_sealed(file, text)
        return [f"{ref} is replaced in {file}, encrypted as it came"]
    if ref.kind == "Secret" and not ref.group and not encrypted:
        raise NotAllowedError(f"{ref} would be in Git in clear", "encrypt it with sops first")
    path = _file_name(draft, directory, ref, all_new, sealed=encrypted)
    draft.write(path, text)
    notes = [f"{ref} is new in {path}"]
    layer = directory_layer(draft, directory)
    if layer is not None:
        name = Path(path).name
        Place(layer.file).change(draft, lambda body: with_item(body, ["resources"], name))
        notes.append(f"{layer.file} lists {name}")
    return notes


def _there(draft: Draft, directory: str, ref: Ref) -> Editing | None:
    try:
        return Editing(draft, directory, ref) if draft.is_directory(directory) else None
    except NotDescribedError:
        return None


def _file_name(draft: Draft, directory: str, ref: Ref, all_new: Sequence[Ref], *, sealed: bool) -> str:
    """`<kind>.yaml`, with `-<name>` where the directory holds several of a kind."""
    kind = "flux-kustomization" if ref.kind == "Kustomization" else ref.kind.lower()
    ending = ".enc.yaml" if sealed else ".yaml"
    taken = set(draft.listed(directory)) if draft.is_directory(directory) else set()
    taken |= {Path(path).name for path in draft.edit().files if str(Path(path).parent) == (directory or ".")}
    several = any(name == f"{kind}{ending}" or name.startswith(f"{kind}-") for name in taken)
    alone = not several and [new.kind for new in all_new].count(ref.kind) == 1
    name = f"{kind}{ending}" if alone else f"{kind}-{ref.name.replace(':', '-').lower()}{ending}"
    if name in taken:
        raise NotEditableError(f"{directory}/{name} is there already, and describes another object")
    return f"{directory}/{name}" if directory else name


def _ref(manifest: Mapping[str, Any]) -> Ref:
    ref = ref_of(manifest)
    words = (manifest.get("apiVersion"), manifest.get("kind"), metadata_of(manifest).get("name"))
    typed = all(isinstance(word, str) and word for word in words)
    if not typed or not _KIND.fullmatch(ref.kind) or not _NAME.fullmatch(ref.name):
        raise NotAllowedError(
            f"{ref.kind or 'an object'} {ref.name!r} has no apiVersion, kind and name as objects have"
        )
    return ref


def _clean(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Without what only the API server writes."""
    metadata = {key: value for key, value in metadata_of(manifest).items() if key not in _SERVER}
    return {**{key: value for key, value in mapping(manifest).items() if key != "status"}, "metadata": metadata}
