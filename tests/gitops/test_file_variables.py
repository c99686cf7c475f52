"""A value that comes from `${var}`: what Flux makes of it afterwards is what was asked for, or nothing is edited.

The oracle is Flux's own order (fluxcd/pkg, kustomize_varsub.go): the whole object as YAML, the values put into the
text, the text read again.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st
from raibid.gitops.errors import GitopsError, NoFileError, NotEditableError
from raibid.gitops.files.documents import Edit
from raibid.gitops.files.edit import set_field
from raibid.gitops.files.substitution import Values, escaped, filled
from raibid.gitops.files.variables import VariableSource, pair
from raibid.gitops.objects import Ref

from tests.gitops.kustomize_trees import write

OBJECT, VARS = Ref("", "ConfigMap", "ci", "s"), Ref("", "ConfigMap", "flux-system", "vars")
SOURCES = [VariableSource(VARS, frozenset(), "v")]
OFF = "kustomize.toolkit.fluxcd.io/substitute"


def config(text: Any, name: str = "s", **metadata: Any) -> str:
    return yaml.safe_dump(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": {"m": text}}
    )


def variables(**values: str) -> str:
    about = {"name": "vars", "namespace": "flux-system"}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": values})


def edited(root: Path, value: Any, **more: Any) -> Edit:
    return set_field(root, "a", OBJECT, "data.m", value, **{"variables": SOURCES, **more})


def by_flux(manifest: Any, values: dict[str, str]) -> Any:
    def put(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else values.get(match[1], "")

    return yaml.safe_load(re.sub(r"\$\$|\$\{(\w+)\}", put, yaml.safe_dump(manifest, width=10**6)))


PARTS = st.sampled_from(["${h}", "${p}", "0", "x", ": ", " #", "'", '"', "$$", "say ", "/", "\\", "- ", "yes", "1.5"])
TEMPLATES = st.lists(PARTS, min_size=1, max_size=4).map("".join).filter(lambda text: "${" in text)


@given(template=TEMPLATES, value=st.lists(PARTS, max_size=4).map("".join) | st.integers(0, 99) | st.booleans())
@example("say ${h}", "say a: b")
@example("http://${h}", "http://a #b")
@example("${h}0", "50")
@example("${h}", "yes")
@example("it's: ${h}", "it's: 'x'")
def test_flux_makes_of_an_edit_what_was_asked_for(template: str, value: Any) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        write(root, {"a/s.yaml": config(template), "v/vars.yaml": variables(h="1", p="80")})
        assume(value != template)  # the file says so already, and nothing is to be done
        try:
            edit = edited(root, value)
        except NotEditableError:
            return
        for path, data in edit.files.items():
            assert data is not None
            (root / path).write_bytes(data)
        files = [yaml.safe_load((root / name).read_text()) for name in ("a/s.yaml", "v/vars.yaml")]
        assert by_flux(files[0], files[1]["data"])["data"]["m"] == value


@given(text=st.text("${}a", max_size=8))
def test_a_text_that_is_escaped_comes_through_as_it_is(text: str) -> None:
    assert by_flux({"m": escaped(text)}, {"a": "b"}) == {"m": text}
    assert filled(escaped(f"x{text}"), Values({"a": "b"})) == f"x{text}"


def test_a_new_value_that_looks_like_a_variable_is_none(tmp_path: Path) -> None:
    write(tmp_path, {"a/s.yaml": config("echo $${HOME}"), "v/vars.yaml": variables(h="1")})
    assert edited(tmp_path, "echo ${HOME}").files == {}
    assert edited(tmp_path, "echo ${USER}").files == {"a/s.yaml": config("echo $${USER}").encode()}


@pytest.mark.parametrize(
    ("files", "more"),
    [
        ({"a/s.yaml": config("echo ${HOME}")}, {"variables": ()}),
        ({"a/s.yaml": config("echo ${HOME}"), "v/vars.yaml": variables()}, {}),
        ({"a/s.yaml": config("echo ${HOME}", labels={OFF: "disabled"}), "v/vars.yaml": variables(HOME="x")}, {}),
        ({"a/s.yaml": config("echo ${HOME}", annotations={OFF: "disabled"}), "v/vars.yaml": variables(HOME="x")}, {}),
    ],
)
def test_where_nothing_is_put_in_a_dollar_is_a_dollar(
    tmp_path: Path, files: dict[str, str], more: dict[str, Any]
) -> None:
    write(tmp_path, files)
    edit = edited(tmp_path, "echo ${USER}", **more)
    assert edit.files == {"a/s.yaml": files["a/s.yaml"].replace("HOME", "USER").encode()}


def test_a_source_that_cannot_be_read_may_have_any_variable(tmp_path: Path) -> None:
    write(tmp_path, {"a/s.yaml": config("${h}")})
    with pytest.raises(NotEditableError, match="no ConfigMap of the Kustomization's substituteFrom has h"):
        edited(tmp_path, "x", variables=[VariableSource(VARS)])


def test_a_function_of_a_variable_is_not_guessed(tmp_path: Path) -> None:
    write(tmp_path, {"a/s.yaml": config("${h/a/b}"), "v/vars.yaml": variables(h="1")})
    with pytest.raises(NotEditableError, match="function of variables"):
        edited(tmp_path, "x")


def test_an_inline_value_stays_while_another_variable_is_set(tmp_path: Path) -> None:
    write(tmp_path, {"a/s.yaml": config("${reg}/web:${tag}"), "v/vars.yaml": variables(tag="1", reg="other")})
    flux = {"postBuild": {"substitute": {"reg": "r.example"}}}
    edit = edited(tmp_path, "r.example/web:2", flux_spec=flux)
    assert edit.files == {"v/vars.yaml": variables(tag="2", reg="other").encode()}
    with pytest.raises(NotEditableError, match="reg is set in the Flux Kustomization itself"):
        edited(tmp_path, "s.example/web:1", flux_spec=flux)


def test_who_takes_the_same_variable_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"a/s.yaml": config("v${h}"), "a/t.yaml": config("w${h}", "t"), "v/vars.yaml": variables(h="1")})
    write(tmp_path, {"b/u.yaml": config("${h:=3}", "u"), "a/w.yaml": config("$${h} ${hh}", "w")})
    assert "h: taken by ConfigMap/t (data.m), b/u.yaml as well: they change, too" in edited(tmp_path, "v2").notes


@pytest.mark.parametrize(("other", "why"), [("say ${h}", "cannot be read"), ("${h}", "would be")])
def test_nobody_elses_object_breaks_by_a_variable(tmp_path: Path, other: str, why: str) -> None:
    write(tmp_path, {"a/s.yaml": config("'${h}"), "a/t.yaml": config(other, "t"), "v/vars.yaml": variables(h="x")})
    with pytest.raises(NotEditableError, match=f"ConfigMap/t: data.m takes the same variable.*{why}"):
        edited(tmp_path, "'a: b" if "say" in other else "'5")


def test_a_source_that_this_repository_does_not_hold_is_not_searched_for(tmp_path: Path) -> None:
    write(tmp_path, {"a/s.yaml": config("${h}"), "clusters/other/vars.yaml": variables(h="1")})
    with pytest.raises(NoFileError, match="no file of this repository is known to describe it"):
        edited(tmp_path, "x", variables=[VariableSource(VARS, frozenset({"h"}), None)])


def test_a_secrets_words_are_in_no_error_and_no_note(tmp_path: Path) -> None:
    secret = "\n" + config("postgres://u:hunter2@${h}/").replace("ConfigMap", "Secret").replace(
        "\ndata:", "\nstringData:"
    )
    write(tmp_path, {"a/s.yaml": secret, "v/vars.yaml": variables(h="db")})
    place = (tmp_path, "a", Ref("", "Secret", "ci", "s"), "stringData.m")
    with pytest.raises(GitopsError) as raised:
        set_field(*place, "mysql://u:hunter3@db/", variables=SOURCES)
    notes = set_field(*place, "postgres://u:hunter2@other/", variables=SOURCES).notes
    assert "hunter" not in f"{raised.value} {raised.value.hint} {notes}"


def test_the_same_value_as_a_text_goes_along_both_ways() -> None:
    assert pair("max", 7) == {"max": "7", "max_text": '"7"'}
    assert pair("max_text", "7") == {"max_text": '"7"', "max": "7"}
    assert pair("max_text", "many") == {"max_text": '"many"'}
    assert pair("name", 'say "hi"') == {"name": 'say "hi"', "name_text": r'"say \"hi\""'}


def test_setting_the_text_sets_the_number(tmp_path: Path) -> None:
    write(tmp_path, {"a/s.yaml": config("${max_text}"), "v/vars.yaml": variables(max="3", max_text='"3"')})
    assert edited(tmp_path, "7").files == {"v/vars.yaml": variables(max="7", max_text='"7"').encode()}
