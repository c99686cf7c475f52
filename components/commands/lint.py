"""`components lint`: the rules over a rendered Flux repository, as Flux would apply it.

Owns: where the bounds come from (the tree's own cluster-vars), one line per violation.
Leaves to others: the rules (`policies`), building the tree (`kustomize.applied`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from components import agents
from components.admission import IMAGES
from components.commands.terminal import PLAIN, USAGE, CommandError, Output, line
from components.kustomize.applied import applied, environments, read_tree
from components.kustomize.build import documents
from policies.rule import Bounds
from policies.tree import Finding, findings


def lint(
    directory: Path,
    /,
    *,
    images: str = "",
    most_agents: int | None = None,
    output: Output = PLAIN,
) -> int:
    """Check a rendered tree against the policies: what Flux would apply, of every environment.

    A directory without clusters/ is read as plain manifests.

    For example:
      python -m components lint build/fleet
      python -m components lint build/fleet --json
      python -m components lint my-app/ --images 'gitea[.]raibid[.]internal/'

    Parameters
    ----------
    directory
        A rendered Flux repository, or a folder of manifests.
    images
        Regular expression for the beginning of every image; the tree's cluster-vars say it otherwise.
    most_agents
        How many agents a ScaledJob may start; the tree's cluster-vars say it otherwise.
    """
    if not directory.is_dir():
        raise CommandError(f"{directory} is not a directory", "python -m components render --stack S --out DIR", USAGE)
    files = read_tree(directory)
    if not files:
        raise CommandError(f"{directory}: no YAML file in it", "name a directory that render wrote", USAGE)
    given = Bounds(images=images or None, most_agents=most_agents)
    found: set[Finding] = set()
    names = environments(files)
    for environment in names:
        objects = applied(files, environment)
        known = [item.manifest.get("data") or {} for item in objects if item.manifest["kind"] == "ConfigMap"]
        found.update(findings(((item.path, item.manifest) for item in objects), _bounds(given, known)))
    if not names:
        plain = [(path, manifest) for path, data in files.items() for manifest in documents(path, data)]
        found.update(findings(plain, given))
    if output.json:
        output.emit({"environments": names, "findings": [asdict(finding) for finding in sorted(found)]})
    else:
        for finding in sorted(found):
            line(str(finding), "red")
        line(f"violations: {len(found)} ({len(files)} files, {len(names)} environments)")
    return 1 if found else 0


def _bounds(given: Bounds, configs: list[Mapping[str, str]]) -> Bounds:
    """What the admission policies of this cluster hold against its objects; an option comes first."""
    values = next((data for data in configs if IMAGES in data), {})
    most = values.get(agents.MOST)
    return Bounds(
        images=given.images or values.get(IMAGES),
        most_agents=given.most_agents if given.most_agents is not None else (int(most) if most else None),
    )
