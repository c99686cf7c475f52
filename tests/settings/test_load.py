"""Reading a stack's file: what is not a stack's file is refused by its place in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.settings import Problem, Settings, SettingsError, load_stack, notices, parse, with_profile

ROOT = Path(__file__).parent.parent.parent
STACKS = ["local", "dev", "dgx-spark"]
SENTINEL = "hunter2-SENTINEL"
MINIMAL = {
    "cluster": {"kind": "existing"},
    "nodes": [{"name": "one", "cpu": 20, "memory": "128Gi", "disk": "1000Gi"}],
    "images": {"agent": {"repository": "registry.example/a"}, "api": {"repository": "registry.example/b"}},
}


def refused(tmp_path: Path, text: str) -> str:
    (tmp_path / "Pulumi.yaml").write_bytes((ROOT / "Pulumi.yaml").read_bytes())
    (tmp_path / "Pulumi.x.yaml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_stack("x", tmp_path)
    return str(caught.value)


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_of_the_repository_is_right(stack: str) -> None:
    assert load_stack(stack).environment == stack


@pytest.mark.parametrize("stack", STACKS)
def test_settings_are_written_as_they_are_read(stack: str) -> None:
    settings = load_stack(stack)
    assert Settings.model_validate(settings.model_dump(by_alias=True)) == settings


def test_a_stack_that_is_not_there_is_told_with_the_nearest_one() -> None:
    with pytest.raises(SettingsError, match=r"stack: dgxspark: .*: did you mean dgx-spark\?"):
        load_stack("dgxspark")


@pytest.mark.parametrize("name", ["nope", "../x"])
def test_a_stack_that_is_not_there_leads_to_no_file_that_is_not_there(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_stack(name)
    assert caught.value.hint.startswith("choose one of dev, dgx-spark, local, or make one: pulumi stack init")
    assert "x.yaml" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"config:\n  a: 1\n  a: {SENTINEL}\n", "line 3: (not shown): not YAML: found duplicate key"),
        (f"config: [{SENTINEL}\n", "not YAML"),
        (f"config: {SENTINEL}\n", "config: (not shown): is no list of keys"),
        ("", "not a stack's file: start it with config:"),
        (
            "raibid-ci:profile: balanced\n",
            "unknown key of a stack's file: values go under config: as raibid-ci:profile",
        ),
    ],
    ids=["duplicate-key", "not-yaml", "not-an-object", "empty", "outside-of-config"],
)
def test_a_file_that_is_no_stack_is_refused(text: str, message: str, tmp_path: Path) -> None:
    told = refused(tmp_path, text)
    assert message in told
    assert SENTINEL not in told


def test_yaml_is_read_as_pulumi_reads_it(tmp_path: Path) -> None:
    told = refused(tmp_path, "config:\n  raibid-ci:systems: {monitoring: 22:22}\n")
    assert "monitoring: 22:22" in told, "YAML 1.1 would have made 1342 of it"


def test_an_empty_environment_is_the_stack() -> None:
    assert parse(MINIMAL, "east").environment == "east"
    assert parse({**MINIMAL, "environment": "west"}, "east").environment == "west"


def test_derived_values_are_not_settable() -> None:
    settings = parse(MINIMAL, "x")
    with pytest.raises(ValueError, match="frozen"):
        settings.profile = "pinned"
    for key in ("maxReplicaCount", "agents", "quotas", "kubelet", "cache", "stack"):
        with pytest.raises(SettingsError, match="derived from nodes, profile and reserved"):
            parse({**MINIMAL, key: 1}, "x")


def test_a_profile_that_the_stack_cannot_have_is_refused_in_its_own_words() -> None:
    with pytest.raises(SettingsError, match="profile: pinned: needs the kubelet's static CPU policy"):
        with_profile(parse(MINIMAL, "x"), "pinned")
    assert with_profile(load_stack("dgx-spark"), "pinned").profile == "pinned"


def test_a_domain_of_mdns_is_a_notice_and_no_error() -> None:
    found = notices(parse({**MINIMAL, "domain": "dgx.local"}, "x"))
    assert any("mDNS" in notice for notice in found)
    assert not any("mDNS" in notice for notice in notices(parse(MINIMAL, "x")))


def test_a_missing_host_key_stops_no_preview_and_is_said() -> None:
    settings = load_stack("dgx-spark")
    assert settings.nodes[0].host_key == ""
    assert any("hostKey" in notice for notice in notices(settings))


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(SENTINEL),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(sorted(str(field.alias) for field in Settings.model_fields.values()))


@given(st.dictionaries(keys, junk, max_size=4))
def test_whatever_a_section_holds_is_settings_or_a_settings_error(values: dict[str, object]) -> None:
    found: tuple[Problem, ...] = ()
    try:
        settings = parse({**MINIMAL, **values}, "x")
    except SettingsError as error:
        found = error.problems
    else:
        assert isinstance(settings, Settings)
    assert all(problem.path and problem.rule and problem.suggestion for problem in found)


@given(st.sampled_from(["gitea", "cluster", "fleet", "reserved"]), st.sampled_from(["password", "token", "apiKey"]))
def test_a_secret_in_clear_is_never_repeated(section: str, key: str) -> None:
    with pytest.raises(SettingsError, match="a secret in clear") as caught:
        parse({**MINIMAL, section: {key: SENTINEL}}, "x")
    assert SENTINEL not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
