"""What a malicious repository may hold: the answer comes in bounded time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.errors import GitopsError, NoFileError, NotEditableError
from raibid.gitops.files import images, patterns
from raibid.gitops.files.edit import set_field
from raibid.gitops.files.manifests import add_manifests
from raibid.gitops.files.scalars import written
from raibid.gitops.files.selectors import labelled
from raibid.gitops.objects import Ref

from tests.gitops.kustomize_trees import write

WEB = Ref("apps", "Deployment", "", "web")
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n"


def test_aliases_of_aliases_are_no_file(tmp_path: Path) -> None:
    bomb = "x0: &x0 [a,a,a,a,a,a,a,a,a,a]\n"
    bomb += "".join(f"x{n}: &x{n} [{','.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 12))
    write(tmp_path, {"web.yaml": DEPLOYMENT + bomb})
    with pytest.raises(NoFileError) as raised:
        set_field(tmp_path, "", WEB, "spec.replicas", 2)
    assert "too many values" in raised.value.hint


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "[a-z]*", r"(.*)\1", "a{1,9999}", "a" * 2000])
def test_a_pattern_that_is_more_than_words_is_refused(tmp_path: Path, pattern: str) -> None:
    for listed in (
        {"resources": ["web.yaml"], "patches": [{"target": {"name": pattern}, "patch": "[]"}]},
        {"resources": ["web.yaml"], "images": [{"name": pattern, "newTag": "2"}]},
    ):
        write(tmp_path, {"kustomization.yaml": yaml.safe_dump(listed), "web.yaml": DEPLOYMENT + CONTAINER})
        with pytest.raises(NotEditableError, match="has the pattern"):
            set_field(tmp_path, "", WEB, "spec.replicas", 2)


CONTAINER = "x: {containers: [{name: web, image: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}]}\n"


@given(
    words=st.lists(st.sampled_from(["a", "b", ".", ".*", ".+", "|", r"\."]), max_size=8),
    text=st.text("ab.", max_size=8),
)
def test_words_match_as_regular_expressions_do(words: list[str], text: str) -> None:
    pattern = "".join(words)
    assert patterns.fits(pattern, text) == (re.fullmatch(pattern, text) is not None)


@given(text=st.from_regex(r"[ab/:.]{1,6}(:[a-z0-9]{0,3})?(@sha256:[0-9a-f]{0,4})?", fullmatch=True))
def test_an_entry_of_images_is_about_what_kustomize_says(text: str) -> None:
    for name in ("a", "a/b", "a.*", "a:b"):
        pattern = rf"(?:{name})(:[a-zA-Z0-9_.{{}}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{{}}-]*)?"
        assert images.matches({"name": name}, text) == (re.fullmatch(pattern, text) is not None)


@given(parts=st.lists(st.text("ab", max_size=3), min_size=2, max_size=5), text=st.text("ab", max_size=9))
def test_parts_with_anything_between_them_are_found_if_they_are_there(parts: list[str], text: str) -> None:
    assert patterns.joined(parts, text) == (re.fullmatch(".*".join(parts), text) is not None)


def test_a_name_of_many_variables_is_compared_at_once(tmp_path: Path) -> None:
    write(tmp_path, {"other.yaml": DEPLOYMENT.replace("web", f"'{'${a}' * 60}X'"), "web.yaml": DEPLOYMENT})
    write(tmp_path, {"long.yaml": DEPLOYMENT.replace("web", "a" * 200)})
    assert set_field(tmp_path, "", Ref("apps", "Deployment", "", "a" * 200), "spec.replicas", 2).files


def test_a_selector_of_blanks_is_refused() -> None:
    with pytest.raises(NotEditableError, match="is not read"):
        labelled("a" + " " * 1_000_000 + "!", {})


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_numbers_that_json_has_not_are_refused(tmp_path: Path, number: float) -> None:
    write(tmp_path, {"web.yaml": DEPLOYMENT})
    with pytest.raises(NotEditableError, match="no number"):
        written(number)
    with pytest.raises(NotEditableError, match="no number"):
        set_field(tmp_path, "", WEB, "spec.x", [number])
    with pytest.raises(GitopsError, match="no number"):
        add_manifests(tmp_path, "new", [{**yaml.safe_load(DEPLOYMENT), "spec": {"a": number}}])
