"""`${…}` and `cluster-vars`: nothing undefined, nothing idle, numbers only where numbers are wanted."""

from __future__ import annotations

import yaml

from components import systems
from components.kustomize.build import placeholders
from tests.flux.rendered import Rendered


def asked_for(rendered: Rendered) -> set[str]:
    names: set[str] = set()
    for path, data in rendered.base.items():
        if not path.endswith("kustomization.yaml"):
            for document in yaml.safe_load_all(data):
                off = document["metadata"].get("annotations", {}).get("kustomize.toolkit.fluxcd.io/substitute")
                names |= set() if off else set(placeholders(document))
    return names


def test_every_placeholder_of_an_applied_object_has_a_value(rendered: Rendered) -> None:
    assert rendered.applied  # an undefined one raises, as Flux refuses it (StrictPostBuildSubstitutions)


def test_every_value_is_asked_for(rendered: Rendered) -> None:
    assert set(rendered.variables) - asked_for(rendered) == set()


def test_a_value_is_named_after_the_system_that_gives_it(rendered: Rendered) -> None:
    for system in systems.enabled(rendered.settings):
        prefix = system.NAME.replace("-", "_")
        given = system.variables(rendered.settings, systems.budget_of(rendered.settings))
        assert all(name.startswith(prefix) for name in given), system.NAME


def test_text_stays_text_after_substitution(rendered: Rendered) -> None:
    """Flux puts values in unquoted: a value that reads as a number is refused where a string is wanted."""

    def check(value: object, where: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in ("data", "annotations", "labels", "stringData", "matchLabels"):
                    assert all(isinstance(text, str) for text in (inner or {}).values()), f"{where}.{key}"
                if key == "env":
                    assert all(isinstance(entry.get("value", ""), str) for entry in inner), f"{where}.env"
                check(inner, f"{where}.{key}")
        if isinstance(value, list):
            for inner in value:
                check(inner, where)

    for item in rendered.applied:
        check(dict(item.manifest), item.path)


def test_counts_become_numbers(rendered: Rendered) -> None:
    spec = rendered.one("ScaledJob", "ci-agent")["spec"]
    assert isinstance(spec["maxReplicaCount"], int)
    assert isinstance(spec["minReplicaCount"], int)
