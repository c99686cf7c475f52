"""Whatever systems a stack has: the chain holds together."""

from __future__ import annotations

import posixpath

import yaml
from hypothesis import given
from hypothesis import strategies as st

from components import flux, flux_stages, systems
from components.settings import load_stack

SETTINGS = load_stack("dgx-spark")
DIRECTORIES = sorted(path for system in systems.SYSTEMS for path in system.manifests(SETTINGS).directories)
selections = st.sets(st.sampled_from(DIRECTORIES), min_size=1)


@given(selections)
def test_every_directory_is_applied_by_one_stage(selected: set[str]) -> None:
    applied = [path for _, paths in flux_stages.present(selected) for path in paths]
    assert sorted(applied) == sorted(selected)


@given(selections)
def test_a_stage_without_anything_to_apply_is_left_out_and_nobody_waits_for_it(selected: set[str]) -> None:
    chains = flux_stages.chains("dgx-spark", selected)
    stages = [stage for chain in chains.values() for stage in chain]
    names = {stage["metadata"]["name"] for stage in stages}
    assert names == {stage.name for stage, _ in flux_stages.present(selected)} | {flux_stages.APPS}
    assert {on["name"] for stage in stages for on in stage["spec"].get("dependsOn", [])} <= names


@given(selections)
def test_an_overlay_leads_to_the_directories_that_were_selected(selected: set[str]) -> None:
    listed = set()
    for path, text in flux_stages.overlays(SETTINGS, selected).items():
        for resource in yaml.safe_load(text)["resources"]:
            listed.add(posixpath.normpath(posixpath.join(posixpath.dirname(path), resource)))
    seeded = {f"clusters/dgx-spark/apps/{name}.yaml" for name in ("enrolment", "mirrors")}
    assert listed - seeded == selected


@given(selections)
def test_every_path_of_the_chain_is_written(selected: set[str]) -> None:
    tree = flux.cluster_tree(SETTINGS, {}, selected)
    written = tree.files.keys() | tree.seeds.keys()
    for chain in flux_stages.chains("dgx-spark", selected).values():
        for stage in chain:
            assert f"{posixpath.normpath(stage['spec']['path'])}/kustomization.yaml" in written
