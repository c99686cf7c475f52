"""`${…}` and `cluster-vars`: nothing undefined, nothing idle, numbers only where numbers are wanted."""

from __future__ import annotations

import yaml

from components import systems
from components.kustomize.applied import applied
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


def test_an_operators_value_goes_before_the_programs(rendered: Rendered) -> None:
    path = f"clusters/{rendered.environment}/operator-vars.yaml"
    files = {**rendered.files, path: rendered.files[path].replace(b"data: {}", b'data: {ci_agent_max: "1"}')}
    (scaled,) = (i.manifest for i in applied(files, rendered.environment) if i.manifest["kind"] == "ScaledJob")
    assert scaled["spec"]["maxReplicaCount"] == 1


def test_a_repository_without_operators_values_is_applied_as_before(rendered: Rendered) -> None:
    root = f"clusters/{rendered.environment}"
    listed = rendered.files[f"{root}/kustomization.yaml"].replace(b"- operator-vars.yaml\n", b"")
    files = {**rendered.files, f"{root}/kustomization.yaml": listed}
    files.pop(f"{root}/operator-vars.yaml")
    assert len(applied(files, rendered.environment)) == len(rendered.applied) - 1
