"""The rules over a rendered tree: objects with the files they come from in, findings for people out.

Owns: which rules hold for files, one flat answer with path, object, rule, message and remedy.
Leaves to others: building the tree as Flux would (`components.kustomize.build`), printing (`components.commands.lint`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from policies.doctor import EVERY_RULE
from policies.manifest import Manifest, title
from policies.rule import Bounds, Rule, SetRule, judge
from policies.set_rules import SET_RULES


@dataclass(frozen=True, order=True)
class Finding:
    """One violation, as it is printed."""

    path: str
    object: str
    rule: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.object}: {self.rule}: {self.message}: {self.remedy}"


def findings(objects: Iterable[tuple[str, Manifest]], bounds: Bounds) -> list[Finding]:
    """What the objects of one cluster break, by path; `objects` are pairs of file and object."""
    pairs = list(objects)
    found = [
        _finding(path, manifest, violation.rule, violation.where)
        for path, manifest in pairs
        for violation in judge(manifest, EVERY_RULE, bounds)
    ]
    paths = {id(manifest): path for path, manifest in pairs}
    for rule in SET_RULES:
        for manifest, where in rule.check([manifest for _, manifest in pairs]):
            found.append(_finding(paths[id(manifest)], manifest, rule, where))
    return sorted(found)


def _finding(path: str, manifest: Manifest, rule: Rule | SetRule, where: str) -> Finding:
    return Finding(path, title(manifest), rule.id, f"{where} ({rule.demand})", rule.remedy)
