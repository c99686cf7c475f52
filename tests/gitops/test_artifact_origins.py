"""Copy rules read backwards: what source-watcher's `cp` did with a tree of files is found again."""

from __future__ import annotations

from collections.abc import Collection
from posixpath import basename, dirname
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raibid.gitops.owner.artifact import origins, relative, rules_of

FILES = ("a.yaml", "apps/kustomization.yaml", "apps/web/web.yaml", "apps/web/envs/dgx/patch.yaml", "deploy/web/x.yaml")


def rules(*copies: tuple[str, str]) -> Any:
    found = [{"from": f"@{pattern}", "to": f"@artifact/{to}"} for pattern, to in copies]
    return rules_of(
        {"spec": {"artifacts": [{"name": "web", "copy": found}]}},
        {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "ExternalArtifact", "metadata": {"name": "web"}},
    )


@pytest.mark.parametrize(
    ("copies", "path", "found"),
    [
        ([("repo/deploy/web/**", "")], "", [("repo", "deploy/web")]),
        ([("repo/deploy/web/**", "")], "envs/dgx", [("repo", "deploy/web/envs/dgx")]),
        ([("repo/deploy/web/", "x/")], "x/web", [("repo", "deploy/web")]),
        ([("repo/deploy/web/", "x/")], "x", [("repo", "deploy")]),
        ([("repo/apps/**", "apps/")], "", [("repo", "")]),
        ([("repo/apps/**", "else/")], "", []),
        ([("repo/apps/*.yaml", "")], "apps", [("repo", "apps")]),
        ([("repo/a.yaml", "")], "", [("repo", "")]),
        ([("repo/", "")], "apps/web", [("repo", "apps/web")]),
        ([("repo/deploy/web.yaml", "web.yaml")], "", [("repo", "deploy")]),
        ([("repo/deploy/web.yaml", "x/renamed.yaml")], "x", [("repo", "deploy")]),
        ([("repo/apps/**", ""), ("repo/deploy/web.yaml", "web.yaml")], "", [("repo", "apps"), ("repo", "deploy")]),
        ([("repo/apps/**", ""), ("repo/deploy", "x")], "", [("repo", "apps"), ("repo", "")]),
        ([("base/apps/**", ""), ("repo/apps/**", "")], "", [("repo", "apps"), ("base", "apps")]),
        ([("repo/apps/**", "apps"), ("repo/deploy/**", "deploy")], "", [("repo", "")]),
    ],
)
def test_a_path_of_the_artifact_leads_to_where_it_was_copied_from(
    copies: list[tuple[str, str]], path: str, found: list[tuple[str, str]]
) -> None:
    assert origins(rules(*copies), path) == found


def copied(pattern: str, to: str, there: Collection[str]) -> dict[str, str]:
    """Path in the artifact → path in the source, as source-watcher's builder does it; `there`: what it has already."""
    where, made = relative(to), dict[str, str]()
    for file in FILES:
        if pattern.endswith("/**") and file.startswith(pattern[:-2]):
            made[relative(f"{where}/{file[len(pattern) - 2 :]}")] = file
        elif pattern == "**" or (pattern.endswith("/*.yaml") and dirname(file) == dirname(pattern)):
            made[relative(f"{where}/{file}")] = file
        elif pattern == file:
            into = not where or to.endswith("/") or any(path.startswith(f"{where}/") for path in there)
            made[relative(f"{where}/{basename(file)}") if into else where] = file
        elif not pattern.endswith("*") and file.startswith(f"{pattern.rstrip('/')}/".lstrip("/")):
            inner = file[len(pattern.strip("/")) :]
            made[relative(f"{where}/{basename(pattern.rstrip('/'))}/{inner}")] = file
    return made


PATTERNS = st.sampled_from(
    [
        "apps/**",
        "apps/web/**",
        "apps/web/",
        "apps/web/*.yaml",
        "deploy/web/**",
        "deploy/",
        "a.yaml",
        "apps/web/web.yaml",
        "",
        "**",
    ]
)
TARGETS = st.sampled_from(["", "x/", "apps/", "apps/web/", "apps", "web.yaml", "x/renamed.yaml"])


@given(st.lists(st.tuples(st.sampled_from(["one", "two"]), PATTERNS, TARGETS), min_size=1, max_size=4))
def test_every_file_of_an_artifact_is_in_one_of_its_directorys_origins(
    copies: list[tuple[str, str, str]],
) -> None:
    artifact: dict[str, tuple[str, str]] = {}
    for alias, pattern, to in copies:
        artifact |= {path: (alias, file) for path, file in copied(pattern, to, artifact).items()}
    found = rules(*((f"{alias}/{pattern}", to) for alias, pattern, to in copies))

    for path, (alias, file) in artifact.items():
        assert (alias, dirname(file)) in origins(found, dirname(path))


@given(st.text(max_size=30))
def test_no_path_leads_out_of_the_repository(path: str) -> None:
    found = relative(path)
    assert not found.startswith("/")
    assert ".." not in found.split("/")
