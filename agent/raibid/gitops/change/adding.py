"""New manifests: read from files, checked, and written where an applier picks them up.

Owns: what may be added, that the applier really reads it.
Leaves to others: which directory and applier (`placing.py`), the files (`raibid.gitops.files`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from raibid.gitops.change.trial import Trial, tried
from raibid.gitops.cluster import Cluster
from raibid.gitops.errors import NoFileError, NotAllowedError, NotEditableError
from raibid.gitops.files.documents import Edit
from raibid.gitops.files.locate import locate
from raibid.gitops.files.manifests import add_manifests
from raibid.gitops.objects import Manifest, mappings, metadata_of, ref_of, text
from raibid.gitops.owner.ownership import Place

_MOST: Final = 200
"""Objects of one change: more is a repository's worth, and nobody reads the diff."""


def manifests_in(content: str, name: str) -> list[dict[str, Any]]:
    """The objects of a YAML or JSON text, those of a List as well.

    Raises:
        NotEditableError: no YAML, or a document that is no object.
    """
    try:
        documents = [item for item in YAML(typ="safe", pure=True).load_all(content) if item is not None]
    except (YAMLError, ValueError) as error:
        raise NotEditableError(f"{name}: {str(error).splitlines()[0] or 'no YAML'}") from None
    found = [item for document in documents for item in _objects(document, name)]
    if not found or len(found) > _MOST:
        raise NotEditableError(f"{name} has {len(found)} objects; 1 to {_MOST} are added at once")
    return found


def adding(
    where: str, place: Place, manifests: Sequence[Manifest], flux_spec: Mapping[str, Any] | None
) -> Callable[[Path], Iterator[Edit]]:
    """The edit that adds manifests to a directory, and is sure that the applier's path leads to each of them.

    Raises (when it is run):
        NotAllowedError: no kustomization.yaml on the way lists the directory. NotEditableError.
    """

    def edits(root: Path) -> Iterator[Edit]:
        yield add_manifests(root, where, manifests)
        for manifest in manifests:
            try:
                locate(root, place.path, ref_of(manifest), flux_spec=flux_spec)
            except NoFileError as error:
                raise NotAllowedError(
                    f"{ref_of(manifest)} in {where or 'the root'} would not be applied: {error}",
                    f"a kustomization.yaml between {place.path or 'the root'} and {where} has to list it",
                ) from error

    return edits


def tried_all(cluster: Cluster, manifests: Sequence[Manifest], manager: str) -> Trial:
    """Each of them on the API server. Raises KubeError: it does not take one."""
    trials = [tried(cluster, manifest, manager=manager) for manifest in manifests]
    warnings = tuple(warning for trial in trials for warning in trial.warnings)
    return Trial(all(trial.tried for trial in trials), warnings)


def _objects(document: object, name: str) -> Iterator[dict[str, Any]]:
    if not isinstance(document, dict):
        raise NotEditableError(f"{name}: a document is no object")
    if text(document.get("kind")).endswith("List") and isinstance(document.get("items"), list):
        for item in mappings(document["items"]):
            yield from _objects(dict(item), name)
        return
    lacking = [key for key in ("apiVersion", "kind") if not text(document.get(key))]
    lacking += [] if text(metadata_of(document).get("name")) else ["metadata.name"]
    if lacking:
        raise NotEditableError(f"{name}: an object without {', '.join(lacking)}")
    yield document
